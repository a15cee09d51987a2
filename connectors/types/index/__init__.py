"""Elasticsearch and OpenSearch: documents through the bulk API."""

from connectors.types.index.connector import IndexConnectorType

connector_type = IndexConnectorType()
