"""What one writes in ten minutes, to compare with: FastAPI, `SentenceTransformer.encode`, a numpy product."""

from __future__ import annotations

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Question(BaseModel):
    """As ours is asked, as far as the comparison goes."""

    texts: list[str]
    hits: int = 10


def make_app(model_folder: str, vectors_file: str) -> FastAPI:
    """An application of a model and the vectors of the notes."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(model_folder, device="cpu")
    vectors = np.load(vectors_file)
    app = FastAPI()

    @app.post("/search")
    def search(question: Question) -> dict[str, list[list[dict[str, float]]]]:
        found = []
        for query in model.encode(question.texts, show_progress_bar=False):
            similarity = vectors @ query
            best = np.argsort(-similarity)[: question.hits]
            found.append([{"row": int(row), "similarity": float(similarity[row])} for row in best])
        return {"results": found}

    return app


if __name__ == "__main__":
    uvicorn.run(
        make_app(sys.argv[1], sys.argv[2]), host="127.0.0.1", port=int(sys.argv[3]), log_level="warning"
    )
