"""The only reader of the environment: `QSTORE_*`, seconds everywhere, and API keys as their own tools name them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from qstore.job import Level


class Settings(BaseSettings):
    """Everything that can be set. Each field reads `QSTORE_<FIELD>` unless it says otherwise."""

    # what is wrong is named without its value, which may be a secret, or stand beside one
    model_config = SettingsConfigDict(env_prefix="QSTORE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    # it may hold a password
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False, description="Broker, results and shared state.")
    redis_timeout: float = Field(0.5, gt=0, description="Seconds to connect to, to wait for, and for a way to, Redis.")
    redis_pool_max_size: int = Field(50, ge=1, description="Connections to Redis a process has at most.")
    key_prefix: str = Field("qstore:", description="What every key of the shared state begins with.")

    result_ttl: float = Field(300.0, ge=0, description="Seconds a result answers later askers; 0: never.")
    fingerprint_level: Level = Field(
        "commuting", description="Which circuits count as the same, where calls do not say."
    )
    result_cache_bytes: int = Field(256 * 2**20, ge=0, description="Bytes of results stored for later askers.")
    circuit_ttl: float = Field(86_400.0, gt=0, description="Seconds a compiled circuit is stored.")
    circuit_cache_bytes: int = Field(64 * 2**20, ge=0, description="Bytes of compiled circuits stored in Redis.")
    circuit_cache_size: int = Field(1000, ge=0, description="Compiled circuits each producer remembers itself.")
    result_expires: float = Field(86_400.0, gt=0, description="Seconds Celery keeps a job's result.")

    batch_size: int = Field(10, ge=1, le=5000, description="Circuits in one IonQ job.")
    batch_timeout: float = Field(0.1, ge=0, description="Seconds a partial batch waits for company.")
    lease: float = Field(120.0, gt=0, description="Seconds after which a silent replica's work is another's.")

    ionq_url: str = Field("https://api.ionq.co/v0.4", description="IonQ's API.")
    ionq_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("ionq_api_key", "IONQ_API_KEY"),
        description="Read from IONQ_API_KEY.",
    )
    ionq_connect_timeout: float = Field(5.0, gt=0, description="Seconds to connect to IonQ.")
    ionq_read_timeout: float = Field(30.0, gt=0, description="Seconds to wait for IonQ's answer.")
    ionq_list_lag: float = Field(5.0, ge=0, description="Seconds until IonQ's job list surely shows a job.")

    ionq_pool_min_size: int = Field(0, ge=0, description="Sessions with IonQ a replica keeps, however long unused.")
    ionq_pool_max_size: int = Field(4, ge=1, description="Sessions, each one TCP connection, a replica has at most.")
    ionq_pool_timeout: float = Field(30.0, gt=0, description="Seconds to wait for a free session.")
    ionq_pool_max_waiting: int = Field(0, ge=0, description="Threads that may wait for one; 0: any number.")
    ionq_pool_max_lifetime: float = Field(3600.0, gt=0, description="Seconds after which a session is replaced.")
    # shorter than the 60 s after which servers and load balancers commonly close an idle connection on their side
    ionq_pool_max_idle: float = Field(30.0, gt=0, description="Seconds after which an unused session is closed.")
    ionq_pool_max_uses: int = Field(0, ge=0, description="Requests after which a session is replaced; 0: never.")

    poll_floor: float = Field(0.2, gt=0, description="Shortest pause between two looks at a job, seconds.")
    poll_ceiling: float = Field(30.0, gt=0, description="Longest pause between two looks, seconds.")
    job_timeout_simulator: float = Field(600.0, gt=0, description="Seconds IonQ's simulator may take over a job.")
    job_timeout_qpu: float = Field(604_800.0, gt=0, description="Seconds a machine may take, its queue included.")

    calibration_interval: float = Field(300.0, gt=0, description="Seconds between questions for a calibration.")

    max_retries: int = Field(3, ge=0, description="Times a batch that IonQ did not take is offered again.")
    retry_backoff: float = Field(1.0, gt=0, description="First pause before that, doubling, seconds.")
    retry_timeout: float = Field(600.0, gt=0, description="Seconds after its first failure in which it still is.")

    failure_threshold: int = Field(5, ge=1, description="Failures within `failure_window` that open a breaker.")
    failure_window: float = Field(60.0, gt=0, description="Seconds a failure counts.")
    recovery_timeout: float = Field(60.0, gt=0, description="Seconds an open breaker waits before it probes.")

    max_concurrent_jobs: int = Field(10, ge=1, description="IonQ jobs in flight, of all replicas.")
    max_queued_jobs: int = Field(100_000, ge=1, description="Jobs that may wait for counts; past it: QueueFull.")
    queue_timeout: float = Field(0.0, ge=0, description="Seconds `delay()` waits for room before it says so.")

    vector_store: Literal["", "pgvector", "pinecone"] = Field(
        "", description="Where executed runs are archived, and vectors are searched; empty: nowhere."
    )
    vector_timeout: float = Field(5.0, gt=0, description="Seconds to wait for an answer of the vector store.")
    archive_patience: float = Field(
        0.25, ge=0, description="Seconds a batch waits for the archive to say what it knows; 0: it is not asked."
    )

    pgvector_url: SecretStr = Field(
        SecretStr(""), description="Of PostgreSQL; what it leaves out is read from PGHOST, PGUSER, PGPASSWORD, …"
    )
    pgvector_replica_url: SecretStr = Field(
        SecretStr(""), description="Of a replica that reads go to while the pool is exhausted; empty: none."
    )
    pgvector_pool_min_size: int = Field(0, ge=0, description="Connections a replica keeps, however long unused.")
    pgvector_pool_max_size: int = Field(4, ge=1, description="Connections a replica has at most.")
    pgvector_pool_timeout: float = Field(5.0, gt=0, description="Seconds to wait for a free connection.")
    pgvector_pool_max_waiting: int = Field(0, ge=0, description="Threads that may wait for one; 0: any number.")
    pgvector_pool_max_lifetime: float = Field(3600.0, gt=0, description="Seconds after which one is replaced.")
    pgvector_pool_max_idle: float = Field(600.0, gt=0, description="Seconds after which an unused one is closed.")
    pgvector_pool_check: Literal["off", "ping", "query", "both"] = Field(
        "ping", description="How a connection is tried before it is lent: an empty statement, a look at pgvector."
    )

    pinecone_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("pinecone_api_key", "PINECONE_API_KEY"),
        description="Read from PINECONE_API_KEY.",
    )
    pinecone_url: str = Field("https://api.pinecone.io", description="Pinecone's control plane.")
    pinecone_cloud: str = Field("aws", description="Where indexes are made.")
    pinecone_region: str = Field("us-east-1", description="Where indexes are made.")
    pinecone_pool_max_size: int = Field(4, ge=1, description="Connections a replica has to each index at most.")

    metrics_host: str = Field("127.0.0.1", description="Where a replica serves its metrics.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Under which port; 0: it does not.")

    fail_point: str = Field("", description="For chaos tests: where this replica dies or freezes; empty: nowhere.")

    @property
    def after_sending(self) -> float:
        """Seconds at most from the first byte of a request until IonQ's job list surely shows what came of it."""
        return 2 * self.ionq_read_timeout + self.ionq_list_lag

    @model_validator(mode="after")
    def _fit_in_the_pool(self) -> Self:
        """A pool cannot keep more than it may have."""
        for pool in ("ionq", "pgvector"):
            if getattr(self, f"{pool}_pool_min_size") > getattr(self, f"{pool}_pool_max_size"):
                stem = f"QSTORE_{pool.upper()}_POOL"
                raise ValueError(f"{stem}_MIN_SIZE must not be larger than {stem}_MAX_SIZE.")
        return self

    @model_validator(mode="after")
    def _name_the_store(self) -> Self:
        """A store that is chosen has to be reachable at all."""
        if self.vector_store == "pinecone" and not self.pinecone_api_key.get_secret_value():
            raise ValueError("QSTORE_VECTOR_STORE=pinecone needs PINECONE_API_KEY.")
        return self

    @model_validator(mode="after")
    def _outlast_requests(self) -> Self:
        """A lease that ran out while its request was under way could let another replica buy the batch again."""
        request = self.ionq_pool_timeout + self.ionq_connect_timeout + self.after_sending
        if self.lease <= request:
            raise ValueError(
                f"QSTORE_LEASE must be longer than one request to IonQ can take, {request:g} s: "
                "QSTORE_IONQ_POOL_TIMEOUT, QSTORE_IONQ_CONNECT_TIMEOUT, two times QSTORE_IONQ_READ_TIMEOUT, and "
                "QSTORE_IONQ_LIST_LAG."
            )
        return self
