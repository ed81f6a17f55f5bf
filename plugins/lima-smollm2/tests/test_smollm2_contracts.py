"""The base model keeps the contract of one that must be fetched; `test_smollm2_fetch` looks at what is fetched."""

import lima_smollm2
from lima import Fetches
from lima.testing import BaseModelContract


class TestSmollm2(BaseModelContract):
    plugin, name, abilities = lima_smollm2, "smollm2", (Fetches,)
