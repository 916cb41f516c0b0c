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
    "triage_model": "triage",
    "triage_predictions": "triage",
    "triage_metrics": "triage",
    "modality_ledger": "triage",
    "shortcut_meter": "triage",
    "triage_verdict": "triage",
    "raw_transcriptions": "notes",
    "rejected_rows": "notes",
    "cleaned_notes": "notes",
    "note_splits": "notes",
    "triplets": "training",
    "finetuned_checkpoint": "training",
    "recipe_study": "study",
    "classifier_study": "study",
    "classifier_adapters_study": "study",
    "baseline_embeddings": "baseline",
    "tuned_embeddings": "tuned",
    "neighbors": "evaluation",
    "embedding_metrics": "evaluation",
    "slice_metrics": "evaluation",
    "projections": "evaluation",
    "aligned_projections": "evaluation",
    "note_displacement": "evaluation",
    "similarity_evidence": "evaluation",
    "query_results": "evaluation",
    "label_confusions": "evaluation",
    "embedding_diagnostics": "evaluation",
    "task_metrics": "evaluation",
    "token_vectors": "evaluation",
    "static_metrics": "evaluation",
    "label_review": "evaluation",
    "leakage_estimate": "evaluation",
    "label_probabilities": "classification",
    "specialty_classifier": "classification",
    "classification_metrics": "classification",
    "classification_errors": "classification",
    "classifier_verdict": "classification",
    "release_verdict": "verdict",
    "checkpoint_history": "verdict",
    "model_card": "verdict",
    "report": "report",
    "served_snapshot": "serving",
}
LANDED = {"raw_transcriptions", "rejected_rows"}
NOTES = {name for name, group in GROUPS.items() if group == "notes"}
PICTURES = {name for name, group in GROUPS.items() if group in ("images", "image_text", "triage")}
EMBEDDED = {name for name, group in GROUPS.items() if group in ("baseline", "tuned")}
EVALUATED = {
    name
    for name, group in GROUPS.items()
    if group in ("evaluation", "classification", "verdict", "report", "serving")
}
TABLES = set(GROUPS) - {
    "finetuned_checkpoint",
    "specialty_classifier",
    "triage_model",
    "model_card",
    "report",
}
