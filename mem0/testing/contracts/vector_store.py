"""What every vector store must do, as tests to be inherited."""

from __future__ import annotations

from mem0.testing.contracts.store_filters import FilterTests
from mem0.testing.contracts.store_memory import MemoryTests
from mem0.testing.contracts.store_rows import RowTests
from mem0.testing.contracts.store_search import SearchTests


class VectorStoreContract(RowTests, SearchTests, FilterTests, MemoryTests):
    """Tests that every vector store passes; inherit them and say how yours is made.

        class TestMyStore(VectorStoreContract):
            def store(self) -> MyStore:
                return MyStore()

    ``store`` is called once by each test, and must give an empty store: one that lives in a file or on a
    server needs a new place every time.  Where it outlives the process, say so too:

            def reopened(self, store: MyStore) -> MyStore:
                store.close()
                return MyStore(store.path)

    Whatever a store does not define itself is checked as well, with
    the defaults of :class:`~mem0.vector_stores.base.VectorStoreBase`.

    Attributes:
        dims: Size of the vectors the tests use; at least 8.
    """
