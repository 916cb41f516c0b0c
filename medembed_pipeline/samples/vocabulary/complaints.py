"""Complaints that several specialties share, each with its wordings and what is usually denied."""

COMPLAINTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "chest pain": (
        ("chest pain", "chest discomfort", "pain in the chest", "chest tightness"),
        ("fainting", "coughing up blood", "arm pain", "calf pain", "trouble swallowing"),
    ),
    "shortness of breath": (
        ("shortness of breath", "breathlessness", "dyspnea", "getting winded easily"),
        ("chest pain", "fever", "coughing up blood", "ankle swelling"),
    ),
    "fatigue": (
        ("fatigue", "tiredness", "low energy", "feeling worn out"),
        ("fever", "night sweats", "low mood", "snoring", "bleeding"),
    ),
    "palpitations": (
        ("palpitations", "a racing heart", "heart pounding"),
        ("fainting", "chest pain", "heat intolerance", "caffeine excess"),
    ),
    "dizziness": (
        ("dizziness", "lightheaded spells", "vertigo", "feeling off balance"),
        ("fainting", "ringing in the ears", "double vision", "slurred speech"),
    ),
    "swelling": (
        ("swelling", "edema", "puffiness and swelling"),
        ("shortness of breath", "fever", "calf pain", "foamy urine"),
    ),
    "weight gain": (("weight gain", "rapid gain in weight"), ("swelling", "cold intolerance", "low mood")),
    "weight loss": (
        ("weight loss", "unintended loss of weight"),
        ("night sweats", "trouble swallowing", "diarrhea", "low mood"),
    ),
    "cough": (
        ("cough", "a nagging cough", "persistent coughing"),
        ("coughing up blood", "fever", "heartburn", "postnasal drip"),
    ),
    "abdominal pain": (
        ("abdominal pain", "belly pain", "stomach pain", "abdominal cramping"),
        ("vomiting", "black stools", "fever", "jaundice", "painful urination"),
    ),
    "nausea": (("nausea", "nausea and vomiting", "vomiting"), ("diarrhea", "headache", "fever", "vertigo")),
    "bleeding": (
        ("bleeding", "episodes of bleeding", "blood loss"),
        ("fainting", "easy bruising", "weight loss"),
    ),
    "fever": (("fever", "fevers and chills"), ("cough", "rash", "stiff neck", "painful urination")),
    "headache": (
        ("headache", "headaches", "head pain", "recurring headaches"),
        ("fever", "stiff neck", "weakness", "double vision", "jaw pain", "nasal discharge"),
    ),
    "visual change": (
        ("blurred vision", "change in vision", "visual disturbance", "trouble seeing"),
        ("eye pain", "double vision", "headache", "scalp tenderness"),
    ),
    "numbness": (
        ("numbness", "tingling", "numbness and tingling"),
        ("weakness", "incontinence", "neck pain"),
    ),
    "weakness": (
        ("weakness", "loss of strength", "feeling weak"),
        ("numbness", "trouble swallowing", "fever"),
    ),
    "sleep trouble": (
        ("trouble sleeping", "poor sleep", "insomnia", "restless nights"),
        ("snoring", "leg restlessness", "low mood", "night sweats"),
    ),
    "back pain": (
        ("back pain", "low back pain", "an aching back"),
        ("incontinence", "saddle numbness", "fever", "painful urination"),
    ),
    "joint pain": (
        ("joint pain", "aching joints", "pain in the joint", "arthralgia"),
        ("fever", "rash", "morning stiffness", "a recent fall"),
    ),
    "neck pain": (
        ("neck pain", "discomfort in the neck", "a sore neck"),
        ("arm weakness", "fever", "hoarseness"),
    ),
    "rash": (
        ("rash", "a skin rash", "skin changes", "a skin lesion"),
        ("fever", "joint pain", "new medicines"),
    ),
    "nasal blockage": (
        ("nasal blockage", "a stuffy nose", "congestion"),
        ("nosebleeds", "fever", "wheezing"),
    ),
    "hearing loss": (("hearing loss", "trouble hearing"), ("ear pain", "vertigo", "facial weakness")),
    "hoarseness": (("hoarseness", "a change in voice"), ("trouble swallowing", "heartburn", "weight loss")),
    "urinary symptoms": (
        ("urinary symptoms", "urinary frequency", "trouble with urination"),
        ("fever", "flank pain", "visible blood", "thirst"),
    ),
    "pelvic pain": (
        ("pelvic pain", "lower abdominal pain", "pelvic pressure"),
        ("fever", "discharge", "vomiting", "visible blood"),
    ),
}
