"""Features that are computed once: `CachedFeaturePipeline` over the process's one `shared_cache`.

Design choices:
- One cache per process. Caches of their own never had a hit, for nobody asks twice.
- A cached pipeline *is* a `FeaturePipeline` and holds no other one: there is nothing to reach
  around it for.
- The memory tier is bounded and forgets; the disk tier, off unless a folder is given, is what
  processes share. Its files are checked whenever they are read.
- What is handed out cannot be written to, and neither can a panel that was asked about.
"""

from regimecast.features.cache.pipeline import CachedFeaturePipeline
from regimecast.features.cache.settings import FeatureCacheSettings
from regimecast.features.cache.shared import FeatureCache, shared_cache
from regimecast.features.cache.statistics import CacheStatistics, TierStatistics

__all__ = [
    "CacheStatistics",
    "CachedFeaturePipeline",
    "FeatureCache",
    "FeatureCacheSettings",
    "TierStatistics",
    "shared_cache",
]
