"""Which model a training begins with."""

from medembed_pipeline.encoder import EncoderSpec, spec_of_settings, vector_dimensions
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.training.settings import TrainingSettings


def trained_spec(encoder: EncoderSettings, settings: TrainingSettings) -> EncoderSpec:
    """The base model, with the last layer that the linear map becomes where one is fitted; without a head to be.

    Raises
    ------
    MedembedError
        see `read_spec` and `vector_dimensions`.
    """
    maps = settings.map_steps and settings.tuned != "head"
    mapped = vector_dimensions(spec_of_settings(encoder)) if maps else 0
    return spec_of_settings(encoder, projection_dimensions=settings.projection_dimensions or mapped)
