"""Work on Dask workers, of this machine or of many: where they are, and no more of it at once than they can do."""

from celestialkeras.cluster.address import ClusterAddress
from celestialkeras.cluster.flight import Cluster, open_cluster

__all__ = ["Cluster", "ClusterAddress", "open_cluster"]
