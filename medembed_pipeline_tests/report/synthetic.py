"""A payload of the page with planted truths, made in a moment: no model, no lake.

Planted: notes of one specialty lie together in the tuned space and hardly in the baseline one; the last specialty
got worse; every second note did not move on the joint PCA; the last note is placed untrustworthily on every map.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

NAMES = [
    "Cardiovascular / Pulmonary",
    "Orthopedic",
    "Gastroenterology",
    "Neurology",
    "Urology",
    "Obstetrics / Gynecology",
    "ENT - Otolaryngology",
    "Hematology - Oncology",
    "Ophthalmology",
    "Nephrology",
    "Pediatrics - Neonatal",
    "Pain Management",
    "Neurosurgery",
    "Psychiatry / Psychology",
    "Podiatry",
    "Dermatology",
    "Dentistry",
    "Cosmetic / Plastic Surgery",
    "Physical Medicine - Rehab",
    "Sleep Medicine",
    "Endocrinology",
    "Bariatrics",
    "Chiropractic",
    "Rheumatology",
    "Diets and Nutritions",
    "Speech - Language",
    "Allergy / Immunology",
    "Hospice - Palliative Care",
    "Vascular",
    "Thoracic",
    "Hepatology",
    "Geriatrics",
    "Infectious Disease",
    "Genetics",
    "Toxicology",
    "Sports Medicine",
    "Transplant",
    "Trauma",
    "Burns",
    "Hand Surgery",
]
WIDTH = 10
HOSTILE = (
    "<script>window.hacked = 1</script></script><img src=x onerror='window.hacked = 2'>"
    "<b>bold</b> \u2028 line \u2029 paragraph </style><!-- --> &amp; \ud7ff \U0001f9e0 end"
)

Float = npt.NDArray[np.float64]


def _packed(array: npt.ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=np.dtype(kind)).tobytes()).decode("ascii")


def note_ids(notes: int) -> list[str]:
    """Different ids of 32 hexadecimal digits."""
    return [f"{(place * 2654435761) % 2**32:08x}{place:024x}" for place in range(notes)]


def synthetic_texts(notes: int, *, words: int = 60, seed: int = 7) -> list[str]:
    """A text per note; that of note 0 is hostile, and each ends with a word of its own, `zebra<place>`."""
    vocabulary = np.array(
        [
            "patient",
            "presents",
            "with",
            "chronic",
            "pain",
            "in",
            "the",
            "left",
            "knee",
            "after",
            "a",
            "fall",
            "denies",
            "fever",
            "chills",
            "chest",
            "dyspnea",
            "examination",
            "reveals",
            "mild",
            "edema",
            "procedure",
            "was",
            "performed",
            "under",
            "general",
            "anesthesia",
            "without",
            "complication",
            "follow",
            "up",
            "in",
            "two",
            "weeks",
            "history",
            "of",
            "hypertension",
            "diabetes",
            "mellitus",
        ]
    )
    generator = np.random.default_rng(seed)
    chosen = vocabulary[generator.integers(0, len(vocabulary), (notes, words))]
    texts = [f"SUBJECTIVE: {' '.join(row)} zebra{place}." for place, row in enumerate(chosen)]
    texts[0] = f"{HOSTILE} zebra0."
    return texts


def synthetic_payload(
    notes: int = 300,
    specialties: int = 8,
    *,
    seed: int = 7,
    tables: bool = True,
    methods: tuple[str, ...] = ("aligned_umap", "umap", "tsne", "joint_pca", "pca"),
    comparison: bool = False,
) -> dict[str, Any]:
    """The payload of report/payload.py, for `notes` notes of `specialties` specialties."""
    generator = np.random.default_rng(seed)
    names = [NAMES[place] if place < len(NAMES) else f"Specialty {place + 1}" for place in range(specialties)]
    weights = 1 / np.arange(1, specialties + 1) ** 0.7
    main = np.sort(generator.choice(specialties, notes, p=weights / weights.sum()))
    generator.shuffle(main)
    labels: list[list[int]] = [[int(value)] for value in main]
    for place in range(5, notes, 9):
        labels[place] = sorted({labels[place][0], int(generator.integers(specialties))})
    for place in range(7, notes, 23):
        labels[place] = []
    centers = generator.normal(size=(specialties, 16))
    noise = generator.normal(size=(notes, 16))
    pull = np.where(main == specialties - 1, 0.15, 1.5)[:, None]
    latent = {"baseline": 0.75 * centers[main] + noise, "tuned": pull * centers[main] + 0.75 * noise}
    split = generator.choice(3, notes, p=[0.7, 0.1, 0.2])
    neighbors = {model: _neighbors(latent[model], generator) for model in latent}
    scored = [int(split[place] == 2 and bool(labels[place])) for place in range(notes)]
    ids = note_ids(notes)
    payload: dict[str, Any] = {
        "format": 1,
        "title": "Clinical notes before and after fine-tuning",
        "models": {"baseline": "all-MiniLM-L6-v2", "tuned": "checkpoint a33c07be91d2"},
        "scored": "held-out test notes",
        "made": {
            "settings": {
                "verdict": {"main_metric": "precision@5", "specialty_tolerance": 0.05},
                "evaluation": {"confidence": 0.95},
                "training": {"epochs": 4, "learning_rate": 2e-5},
            },
            "versions": {"cleaned_notes": "9f" * 32, "tuned_embeddings": "a1" * 32},
            "checkpoint": {
                "version": "a33c07be91d2",
                "manifest": {"files": {"model.safetensors": "53" * 32}},
            },
            "packages": {"python": "3.11", "torch": "2.6"},
        },
        "notes": {
            "id": ids,
            "specialties": labels,
            "document_types": [[place % 3] if place % 4 else [] for place in range(notes)],
            "split": split.tolist(),
            "group": list(range(notes)),
            "scored": scored,
            "source": [f"notes.csv:{place + 2}" for place in range(notes)],
            "words": [60] * notes,
        },
        "specialty_names": names,
        "slices": _slices(notes, generator),
        "document_type_names": ["Surgery", "Consult - History and Phy.", "Discharge Summary"],
        "split_names": ["train", "validation", "test"],
        "maps": _maps(latent, methods, generator),
        "displacement": {
            "distance": _packed(np.abs(generator.normal(0.6, 0.25, notes)), "<f4"),
            "overlap": _packed(generator.integers(0, 11, notes) / 10, "<f4"),
            "floor": 0.02,
        },
        "neighbors": {"width": WIDTH},
        "tables": {},
        "facts": {},
        "history": [],
        "comparison": None,
    }
    for model, (places, similarity) in neighbors.items():
        payload["neighbors"][model] = _packed(places, "<i4")
        payload["neighbors"][f"{model}_similarity"] = _packed(similarity, "<f4")
    if tables:
        from medembed_pipeline_tests.report.synthetic_tables import add_tables

        asking = np.flatnonzero(scored)
        pools = {}
        for model, rows in latent.items():
            places, similarity = _neighbors(rows[asking], generator)
            pools[model] = np.where(places < 0, -1, asking[places]), similarity
        add_tables(payload, asking.tolist(), pools, seed=seed)
    if comparison and tables:
        metrics = payload["tables"]["embedding_metrics"]
        payload["comparison"] = [{"name": name, "metrics": metrics} for name in ("seed 7", "seed 8", "lora")]
    return payload


def _slices(notes: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """A site for every note, two for every tenth; and an age for those of nine in ten."""
    sites = generator.integers(0, 3, notes).tolist()
    ages = generator.integers(0, 4, notes).tolist()
    return [
        {
            "name": "site",
            "values": ["East", "North", "South"],
            "of": [sorted({site, 2} if place % 10 == 0 else {site}) for place, site in enumerate(sites)],
        },
        {
            "name": "age",
            "values": ["0-17", "18-39", "40-64", "65-98"],
            "of": [[] if place % 10 == 3 else [age] for place, age in enumerate(ages)],
        },
    ]


def _neighbors(rows: Float, generator: np.random.Generator) -> tuple[npt.NDArray[np.int64], Float]:
    """Exact for small numbers of notes; for large ones a plausible draw, since only the page is measured."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if len(rows) <= 6000:
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, -2)
        width = min(WIDTH, len(rows) - 1)
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :width]
        found = np.take_along_axis(similarity, order, axis=1)
        pad = WIDTH - width
        return np.pad(order, ((0, 0), (0, pad)), constant_values=-1), np.pad(found, ((0, 0), (0, pad)))
    order = generator.integers(0, len(rows), (len(rows), WIDTH))
    return order, -np.sort(-generator.uniform(0.3, 0.9, (len(rows), WIDTH)), axis=1)


def _maps(
    latent: dict[str, Float], methods: tuple[str, ...], generator: np.random.Generator
) -> list[dict[str, Any]]:
    notes = len(latent["baseline"])
    found = []
    for method in methods:
        for dimensions in (2, 3):
            turn = generator.normal(size=(16, dimensions)) / 4
            baseline, tuned = latent["baseline"] @ turn, latent["tuned"] @ turn
            comparable = method in ("aligned_umap", "joint_pca")
            if method == "joint_pca":
                tuned[::2] = baseline[::2]
            trust = generator.integers(215, 256, (2, notes))
            trust[:, -1] = 90
            found.append(
                {
                    "key": f"{method}-{dimensions}",
                    "method": method,
                    "dimensions": dimensions,
                    "comparable": comparable,
                    "noise_floor": 0.2 if comparable else None,
                    "quality": {"baseline": 0.93, "tuned": 0.96},
                    "baseline": _packed(baseline, "<f4"),
                    "tuned": _packed(tuned, "<f4"),
                    "trust_baseline": _packed(trust[0], "u1"),
                    "trust_tuned": _packed(trust[1], "u1"),
                }
            )
    return found
