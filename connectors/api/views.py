"""Connectors and their types."""

from django.db.models import Count, Q, QuerySet
from django_filters import CharFilter, FilterSet

from connectors.api.serializers import ConnectorSerializer, ConnectorTypeSerializer
from connectors.models import Connector
from connectors.services import delete_connector
from connectors.types.registry import all_types
from spaces.api.queries import FlagFilter
from spaces.api.views import CatalogueViewSet, ObjectViewSet


class ConnectorFilter(FilterSet):
    """What a list of connectors can be narrowed to."""

    type = CharFilter(label="ID of a connector type.")
    enabled = FlagFilter(label="Whether it may be used.")
    search = CharFilter(method="matching", label="Part of the name or the ID.")

    def matching(self, rows: QuerySet[Connector], name: str, value: str) -> QuerySet[Connector]:
        return rows.filter(Q(name__icontains=value) | Q(public_id__icontains=value))


class ConnectorViewSet(ObjectViewSet[Connector]):
    """Stored connections to other systems."""

    queryset = Connector.objects.annotate(referenced_by_count=Count("actions"))
    serializer_class = ConnectorSerializer
    filterset_class = ConnectorFilter

    def perform_destroy(self, instance: Connector) -> None:
        delete_connector(instance)


class ConnectorTypeViewSet(CatalogueViewSet):
    """The kinds of systems that connectors can reach."""

    serializer_class = ConnectorTypeSerializer
    types = all_types
