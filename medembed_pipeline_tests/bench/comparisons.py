"""All comparisons, in the order in which they are measured: the most important first."""

from medembed_pipeline_tests.bench.cleaning import Cleaning
from medembed_pipeline_tests.bench.comparison import Comparison
from medembed_pipeline_tests.bench.encoding import Encoding, MixedEncoding
from medembed_pipeline_tests.bench.loading import Loading
from medembed_pipeline_tests.bench.maps import Maps
from medembed_pipeline_tests.bench.metrics import Metrics
from medembed_pipeline_tests.bench.more_notes import MoreNotes
from medembed_pipeline_tests.bench.picture_encoding import PictureEncoding
from medembed_pipeline_tests.bench.training import Training
from medembed_pipeline_tests.bench.unchanged import Unchanged
from medembed_pipeline_tests.bench.whole import Whole

COMPARISONS: dict[str, Comparison] = {
    one.name: one
    for one in (
        Encoding(),
        MixedEncoding(),
        PictureEncoding(),
        Metrics(),
        Maps(),
        Cleaning(),
        Whole(),
        Loading(),
        Unchanged(),
        MoreNotes(),
        Training(),
    )
}
