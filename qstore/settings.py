"""The only reader of the environment: `QSTORE_*`, seconds everywhere, and `IONQ_API_KEY` as IonQ's tools name it."""

from __future__ import annotations

from typing import Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from qstore.job import Level


class Settings(BaseSettings):
    """Everything that can be set. Each field reads `QSTORE_<FIELD>` unless it says otherwise."""

    model_config = SettingsConfigDict(env_prefix="QSTORE_", frozen=True, extra="ignore")

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Broker, results and shared state.")
    redis_timeout: float = Field(0.5, gt=0, description="Seconds to connect to, and to wait for, Redis.")
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

    fail_point: str = Field("", description="For chaos tests: where this replica dies or freezes; empty: nowhere.")

    @property
    def after_sending(self) -> float:
        """Seconds at most from the first byte of a request until IonQ's job list surely shows what came of it."""
        return 2 * self.ionq_read_timeout + self.ionq_list_lag

    @model_validator(mode="after")
    def _fit_in_the_pool(self) -> Self:
        """A pool cannot keep more than it may have."""
        if self.ionq_pool_min_size > self.ionq_pool_max_size:
            raise ValueError("QSTORE_IONQ_POOL_MIN_SIZE must not be larger than QSTORE_IONQ_POOL_MAX_SIZE.")
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
