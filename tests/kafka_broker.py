"""A real Apache Kafka for tests and benchmarks: one node, broker and controller together (KRaft), on free ports.

Its programs are Maven artifacts, fetched once into ``var/``: ``python -m tests.kafka_broker`` does only that. Java 17
and Maven must be there; what is missing is a ServerFault, never a skip.

It listens four times: in plain, with SASL in plain, with SASL over TLS, and over TLS for clients with a certificate.
Everybody in plain, USER and the certificate's client may do everything; STRANGER may do nothing. SASL takes PLAIN,
SCRAM-SHA-256, SCRAM-SHA-512, and OAUTHBEARER with unsecured tokens (RFC 7519, section 6) whose subject is the user.
"""

import fcntl
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests import started
from tests.servers import ROOT, STOP_SECONDS, Process, ServerFault, free_port, kill, wait_until

VERSION = "4.1.1"
KAFKA = f"Kafka {VERSION}"
USER, PASSWORD = "alice", "alice-secret"
STRANGER, STRANGER_PASSWORD = "mallory", "mallory-secret"
_ARTIFACTS = ROOT / "var" / "kafka" / VERSION
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>switchyard</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""
_LISTENERS = ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL", "CONTROLLER")
_LOGIN = "org.apache.kafka.common.security"


def fetch() -> Path:
    """Return the directory of Kafka's programs, fetched through Maven if they are not there yet."""
    _ARTIFACTS.parent.mkdir(parents=True, exist_ok=True)
    with (_ARTIFACTS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _ARTIFACTS.exists():
            _fetch_into(_ARTIFACTS)
    return _ARTIFACTS


def _fetch_into(target: Path) -> None:
    maven = _program("mvn", "maven")
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        (Path(directory) / "pom.xml").write_text(_POM)
        command = [
            maven,
            "-B",
            "-q",
            "dependency:copy-dependencies",
            "-DoutputDirectory=jars",
            "-DincludeScope=runtime",
        ]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFault(f"Maven did not fetch Kafka {VERSION}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        (Path(directory) / "jars").rename(target)


class KafkaBroker:
    """A Kafka whose ports, topics and messages outlive stop(), kill() and restart().

    The attributes are what clients need: ``plain``, ``sasl``, ``sasl_tls`` and ``tls`` are its addresses, ``ca``,
    ``client_cert`` and ``client_key`` are PEM.
    """

    def __init__(self, directory: Path, heap: str = "512m") -> None:
        self._java = _program("java", "openjdk-17-jre-headless")
        self._jars = fetch()
        self._directory = directory
        self._heap = heap
        self._log = directory / "kafka.log"
        self._ports = {listener: free_port() for listener in _LISTENERS}
        self._process: Process | None = None
        self.plain, self.sasl, self.sasl_tls, self.tls = (
            f"127.0.0.1:{self._ports[listener]}" for listener in _LISTENERS[:4]
        )
        authority = trustme.CA()
        self.ca = authority.cert_pem.bytes().decode()
        client = authority.issue_cert("client.test")
        self.client_cert = client.cert_chain_pems[0].bytes().decode()
        self.client_key = client.private_key_pem.bytes().decode()
        server = authority.issue_cert("127.0.0.1", "localhost")
        keystore = _pkcs8(server.private_key_pem.bytes()) + server.cert_chain_pems[0].bytes()
        (directory / "keystore.pem").write_bytes(keystore)
        (directory / "truststore.pem").write_text(self.ca)
        (directory / "server.properties").write_text(self._properties())
        self._format()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", f"{self._directory}/server.properties", heap=self._heap),
                cwd=self._directory,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = self._process

        def ready_or_ended() -> bool:
            if process.poll() is not None:
                raise ServerFault(f"Kafka ended with status {process.returncode}:\n{self._log.read_text()[-4000:]}")
            return self._answers()

        wait_until(ready_or_ended, "Kafka did not get ready")
        started.note(KAFKA)

    def stop(self) -> None:
        """End it in order; stopping twice is allowed."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                kill(process)
                raise ServerFault(f"Kafka did not stop within {STOP_SECONDS:.0f} s.") from None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            process, self._process = self._process, None
            kill(process)

    def restart(self) -> None:
        """End it as a crash would, and start it again."""
        self.kill()
        self.start()

    @property
    def pid(self) -> int:
        """Its process id; raise ServerFault when it does not run."""
        if self._process is None:
            raise ServerFault("Kafka does not run.")
        return self._process.pid

    def log(self) -> str:
        """Return what it logged so far."""
        return self._log.read_text()

    def create_topic(self, name: str = "", partitions: int = 3, **config: str) -> str:
        """Create a topic and return its name; ``config`` has underscores for the dots of Kafka's topic settings."""
        name = name or f"topic-{uuid.uuid4().hex[:8]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        with AdminClient(self._client()) as admin:
            admin.create_topics([topic])[name].result(30)
        wait_until(lambda: name in self._topics(), f"the topic {name} was not created")
        return name

    def read(self, topic: str, at_least: int = 0, within: float = 60.0) -> list[Message]:
        """Return all that a topic holds, in order within each partition, once there is so much."""
        with Consumer({**self._client(), "group.id": "reader", "enable.auto.commit": False}) as consumer:
            numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            partitions = [TopicPartition(topic, number, 0) for number in numbers]

            def count() -> int:
                bounds = [consumer.get_watermark_offsets(partition, timeout=30) for partition in partitions]
                return sum(high - low for low, high in bounds)

            wait_until(lambda: count() >= at_least, f"{topic} did not come to hold {at_least} messages", within)
            wanted = count()
            consumer.assign(partitions)
            messages: list[Message] = []

            def read_some() -> bool:
                found = consumer.consume(10_000, 0.2)
                messages.extend(message for message in found if message.error() is None)
                return len(messages) >= wanted

            wait_until(read_some, f"{topic} could not be read", within)
        return messages

    def _client(self) -> dict[str, str | int | float | bool]:
        return {"bootstrap.servers": self.plain, "log_level": 0}

    def _topics(self) -> set[str]:
        with suppress(KafkaException), AdminClient(self._client()) as admin:
            return set(admin.list_topics(timeout=5).topics)
        return set()

    def _answers(self) -> bool:
        with suppress(KafkaException), AdminClient(self._client()) as admin:
            return bool(admin.list_topics(timeout=2).brokers)
        return False

    def _command(self, main: str, *arguments: str, heap: str = "256m") -> list[str]:
        options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-Djava.awt.headless=true"]
        return [self._java, *options, "-cp", f"{self._jars}/*", main, *arguments]

    def _format(self) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        credentials = [
            argument
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for user, password in ((USER, PASSWORD), (STRANGER, STRANGER_PASSWORD))
            for argument in ("--add-scram", f"{mechanism}=[name={user},password={password}]")
        ]
        arguments = ["format", "-t", cluster, "-c", f"{self._directory}/server.properties", *credentials]
        command = self._command("kafka.tools.StorageTool", *arguments)
        done = subprocess.run(command, cwd=self._directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFault(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _properties(self) -> str:
        addresses = {listener: f"{listener}://127.0.0.1:{port}" for listener, port in self._ports.items()}
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._ports['CONTROLLER']}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(addresses.values()),
            "advertised.listeners": ",".join(addresses[listener] for listener in _LISTENERS[:4]),
            "listener.security.protocol.map": ",".join(
                f"{listener}:{'PLAINTEXT' if listener == 'CONTROLLER' else listener}" for listener in _LISTENERS
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": f"{self._directory}/data",
            "auto.create.topics.enable": "false",
            "num.partitions": "3",
            # A broker that was killed comes back only once its former life counts as over.
            "broker.heartbeat.interval.ms": "200",
            "broker.session.timeout.ms": "1000",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{USER};User:client",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": f"{self._directory}/keystore.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": f"{self._directory}/truststore.pem",
            "ssl.principal.mapping.rules": "RULE:^.+$/client/",
            "listener.name.ssl.ssl.client.auth": "required",
        }
        users = f'user_{USER}="{PASSWORD}" user_{STRANGER}="{STRANGER_PASSWORD}"'
        logins = {
            "plain": f"{_LOGIN}.plain.PlainLoginModule required {users};",
            "scram-sha-256": f"{_LOGIN}.scram.ScramLoginModule required;",
            "scram-sha-512": f"{_LOGIN}.scram.ScramLoginModule required;",
            "oauthbearer": f"{_LOGIN}.oauthbearer.OAuthBearerLoginModule required "
            'unsecuredLoginStringClaim_sub="broker";',
        }
        for listener in ("sasl_plaintext", "sasl_ssl"):
            for mechanism, login in logins.items():
                settings[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = login
        return "".join(f"{name}={value}\n" for name, value in settings.items())


@contextmanager
def kafka_broker(heap: str = "512m") -> Iterator[KafkaBroker]:
    """Run Kafka; yield its handle."""
    with tempfile.TemporaryDirectory(prefix="switchyard-kafka-", ignore_cleanup_errors=True) as directory:
        broker = KafkaBroker(Path(directory), heap)
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ServerFault(f"{name} is not installed. Debian: apt-get install {package}.")
    return found


def _pkcs8(key: bytes) -> bytes:
    """Return a private key in the one form that Kafka reads."""
    return load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


if __name__ == "__main__":
    sys.stdout.write(f"{KAFKA} is in {fetch()}\n")
