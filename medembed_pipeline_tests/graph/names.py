"""The assets by what they are for, as the tests name them."""

GROUPS = {
    "raw_images": "images",
    "case_rows": "images",
    "rejected_images": "images",
    "paired_cases": "images",
    "case_splits": "images",
    "image_embeddings": "images",
    "prompt_pairs": "image_text",
    "image_text_vectors": "image_text",
    "preference_margins": "image_text",
    "image_text_metrics": "image_text",
    "image_text_examples": "image_text",
    "raw_transcriptions": "notes",
    "rejected_rows": "notes",
    "cleaned_notes": "notes",
    "note_splits": "notes",
    "triplets": "training",
    "finetuned_checkpoint": "training",
    "baseline_embeddings": "baseline",
    "tuned_embeddings": "tuned",
    "neighbors": "evaluation",
    "embedding_metrics": "evaluation",
    "slice_metrics": "evaluation",
    "projections": "evaluation",
    "aligned_projections": "evaluation",
    "note_movement": "evaluation",
    "similarity_evidence": "evaluation",
    "retrieval_ledger": "evaluation",
    "specialty_confusions": "evaluation",
    "space_health": "evaluation",
    "task_metrics": "evaluation",
    "label_review": "evaluation",
    "leak_meter": "evaluation",
    "release_verdict": "verdict",
    "checkpoint_history": "verdict",
    "model_card": "verdict",
    "report": "report",
}
LANDED = {"raw_transcriptions", "rejected_rows"}
NOTES = {name for name, group in GROUPS.items() if group == "notes"}
PICTURES = {name for name, group in GROUPS.items() if group in ("images", "image_text")}
EMBEDDED = {name for name, group in GROUPS.items() if group in ("baseline", "tuned")}
EVALUATED = {name for name, group in GROUPS.items() if group in ("evaluation", "verdict", "report")}
TABLES = set(GROUPS) - {"finetuned_checkpoint", "model_card", "report"}
