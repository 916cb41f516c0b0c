"""`medembed visualize`: the graph on a lake of its own, with the notes of one file and a model that is given."""

REVISION = "2"
