"""The words of the sample corpus, gathered from modules by what the specialties share."""

from medembed_pipeline.samples.vocabulary.between import BETWEEN
from medembed_pipeline.samples.vocabulary.bone_pain import BONE_PAIN
from medembed_pipeline.samples.vocabulary.complaints import COMPLAINTS
from medembed_pipeline.samples.vocabulary.documents import DOCUMENTS
from medembed_pipeline.samples.vocabulary.eye_ear import EYE_EAR
from medembed_pipeline.samples.vocabulary.gland_blood import GLAND_BLOOD
from medembed_pipeline.samples.vocabulary.heart_lung_gut import HEART_LUNG_GUT
from medembed_pipeline.samples.vocabulary.imaging import IMAGING
from medembed_pipeline.samples.vocabulary.joint_skin import JOINT_SKIN
from medembed_pipeline.samples.vocabulary.kidney_womb import KIDNEY_WOMB
from medembed_pipeline.samples.vocabulary.nerve_mind import NERVE_MIND
from medembed_pipeline.samples.vocabulary.procedures import PROCEDURES

CONDITIONS = {
    **HEART_LUNG_GUT,
    **NERVE_MIND,
    **EYE_EAR,
    **BONE_PAIN,
    **JOINT_SKIN,
    **KIDNEY_WOMB,
    **GLAND_BLOOD,
}

__all__ = ["BETWEEN", "COMPLAINTS", "CONDITIONS", "DOCUMENTS", "IMAGING", "PROCEDURES"]
