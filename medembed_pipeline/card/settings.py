"""What only you can say of a model."""

from __future__ import annotations

from pydantic import Field

from medembed_pipeline.section import Section


class CardSettings(Section, table="card"):
    """What only you can say of a model: the model card shows it, and names what is empty (docs/model-card.md)."""

    developer: str = Field("", max_length=1000, description="Who developed the model.")
    contact: str = Field("", max_length=1000, description="Where questions about the model go.")
    licence: str = Field(
        "",
        max_length=60,
        pattern=r"^[A-Za-z0-9_.+-]*$",
        description="Licence of the model, an identifier of the Hugging Face hub such as 'apache-2.0' or 'other'; "
        "empty: its front matter has that of the base model.",
    )
    language: str = Field(
        "", pattern=r"^([a-z]{2,3})?$", description="Language of the notes, an ISO 639 code such as 'en'."
    )
    availability: str = Field("", max_length=1000, description="Where the model may be used.")
    regulatory_approval: str = Field(
        "", max_length=1000, description="Approvals as a medical product, or why none is needed."
    )
    intended_workflow: str = Field(
        "", max_length=1000, description="In which work, and at which step of it, the model is used."
    )
    primary_users: str = Field("", max_length=1000, description="Who uses it.")
    population: str = Field("", max_length=1000, description="Patients whose notes it is meant for.")
    data_source: str = Field(
        "", max_length=1000, description="Where the notes come from: sites, years, kinds of notes."
    )
    clinical_risk_level: str = Field(
        "", max_length=1000, description="Clinical risk of its use, as your organisation judges it."
    )
    funding: str = Field("", max_length=1000, description="Who paid for it.")
    stakeholders: str = Field(
        "", max_length=1000, description="Who was consulted: clinicians, patients, others."
    )
    publications: str = Field("", max_length=1000, description="Peer-reviewed publications and trials of it.")
    reimbursement: str = Field("", max_length=1000, description="Reimbursement status.")
    consent: str = Field("", max_length=1000, description="Consent of, or disclosure to, patients.")
