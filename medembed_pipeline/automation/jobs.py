"""Jobs: the parts of the graph that people run by name."""

import dagster as dg

everything = dg.define_asset_job(
    "everything", selection=dg.AssetSelection.all(), description="The whole graph, landing files to maps."
)
ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.groups("notes"),
    description="Landing files to cleaned, split notes.",
)
train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets("baseline_embeddings", "triplets", "finetuned_checkpoint"),
    description="Triplets and a fine-tuned checkpoint from the notes as they stand.",
)
evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.groups(
        "tuned", "evaluation", "classification", "verdict", "report", "serving"
    ),
    description="Vectors, metrics, maps, evidence, verdict, card and page of the current checkpoint.",
)
retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets("triplets").downstream()
    | dg.AssetSelection.assets("baseline_embeddings"),
    description="A new checkpoint from the notes as they stand, with all that is measured of it, verdict and page.",
)
study = dg.define_asset_job(
    "study",
    selection=dg.AssetSelection.groups("study"),
    description="What [study] of the settings asks for: trials of settings on train and validation notes.",
)

JOBS = [everything, ingest, train, evaluate, retrain, study]
