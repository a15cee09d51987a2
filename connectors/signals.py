"""What the apps above are told of connectors, each inside the transaction that brings it about.

Receivers call one service and nothing else.
"""

from django.dispatch import Signal

# status_changed: sender=Connector, change=StatusChange (with its connector).
status_changed = Signal()
# connector_deleted: sender=Connector, connector=the row, still with its pk; replacement=Connector or None.
connector_deleted = Signal()
