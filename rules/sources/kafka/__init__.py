"""Events out of Kafka topics."""

from rules.sources.kafka.source import KafkaSource

source_type = KafkaSource()
