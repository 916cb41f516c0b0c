"""Where results are tracked besides the lake."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medembed_pipeline.section import Section


class TrackingSettings(Section, table="tracking"):
    """A tracker that trainings, studies and verdicts are told to: numbers and settings, never a note."""

    operational: ClassVar[frozenset[str]] = frozenset({"kind", "uri", "project", "timeout_seconds"})

    kind: Literal["none", "mlflow", "wandb"] = Field(
        "none",
        description="mlflow: MLflow, in a file of the lake or on a server; wandb: Weights & Biases, offline alone. "
        "Both need pip install '.[tracking]'.",
    )
    uri: str = Field(
        "",
        description="Of MLflow's server or database (https://..., sqlite:///...); empty: tracking/mlflow.db in the "
        "lake. A password belongs into MLFLOW_TRACKING_PASSWORD, not here.",
    )
    project: str = Field(
        "medembed", min_length=1, max_length=100, description="MLflow's experiment, or the project of wandb."
    )
    timeout_seconds: int = Field(
        10,
        ge=1,
        le=600,
        description="How long a server may take to answer; then it is left out, with a warning.",
    )
