"""What the app above is told of deliveries, inside the transaction that brings it about.

Receivers call one service and nothing else.
"""

from django.dispatch import Signal

# answered: sender=Delivery, answers=what systems answered, by the key of the delivery that is now delivered.
answered = Signal()
