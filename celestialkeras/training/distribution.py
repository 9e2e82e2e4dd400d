"""Training on several GPUs and several machines, on `tf.distribute`.

`Model.fit` of Keras 3 fails under the multi-worker strategy, but its layers, variables and optimizers work there inside
`Strategy.run`, which is all that the training loop needs. What it leaves to do is done here:

* Each worker reads its own `Share` of every batch, and its replicas divide that among them. The loss is summed over
  frames and divided by the frames of all replicas together; the optimizer adds the gradients up. So a step is that of
  one process on the whole batch, but for the order in which numbers are added.
* Batch normalisation takes its moments over all replicas (`synchronized` of Keras's layer). The saved model is another
  one, of plain layers, that is given the weights.
* The chief alone reads and writes the run folder. The others work in a copy of what training reads there, which the
  chief sends them over the same connections as gradients, so no file system need be shared for it.
* A worker that ends leaves the others in the middle of a sum. TensorFlow tells them within seconds, or ten seconds
  after the last heartbeat, and they end with a `WorkerLostError`: all are to be started again.

A replica never takes an empty part of a batch: the CPU kernel of a convolution with a bias gives a wrong shape for it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from celestialkeras.errors import RunError, WorkerLostError
from celestialkeras.training.checkpoint import checkpoints
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run
from celestialkeras.training.share import Share
from celestialkeras.training.tf_config import share_of

# Of a file that is sent to the other workers, a multiple of 4 bytes.
_PIECE_BYTES = 1 << 24

_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnavailableError,
)


class Distribution:
    """The replicas of a network that are trained together, and this process's part in it.

    Args:
        strategy: TensorFlow's; None for one replica in this process, without any.
        share: Which of how many workers this process is.

    Attributes:
        share: As given.
        replicas: Copies of the network, in all workers together. All workers have the same number.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None, share: Share | None = None) -> None:
        self._strategy = strategy
        self.share = share or Share()
        self.replicas: int = strategy.num_replicas_in_sync if strategy else 1
        self._local = self.replicas // self.share.workers
        self._first = self.share.worker * self._local

    @property
    def is_chief(self) -> bool:
        """Whether this worker has the run folder, and shows how training goes."""
        return self.share.worker == 0

    @property
    def changes_layers(self) -> bool:
        """Whether the network that is trained is not the one to save: its variables and normalisations differ."""
        return self._strategy is not None

    def check(self, options: TrainOptions, train_frames: int, taught: bool) -> None:
        """Refuses what cannot be trained on so many replicas.

        Args:
            options: What the run is asked to do.
            train_frames: Frames of its training split.
            taught: Whether it has a teacher.

        Raises:
            RunError: It is refused; the message says what to change.
        """
        if min(options.batch_size, train_frames) < self.replicas:
            raise RunError(
                "each replica must have a frame of its own in every step; give a larger `batch_size` or use fewer"
                f" replicas. Received: {self.replicas} replicas, batch_size={options.batch_size},"
                f" {train_frames} training frames"
            )
        if self.changes_layers and options.stem_strips:
            raise RunError(
                "strips take the moments of normalisation in one process; train with the strategy `single`, or with"
                f" `stem_strips` 0. Received: stem_strips={options.stem_strips}"
            )
        if self.share.workers > 1 and taught:
            raise RunError(
                "a student is trained by one worker, which asks its teacher; train it with the strategy `mirrored` or"
                f" `single`. Received: {self.share.workers} workers"
            )

    def scope(self) -> AbstractContextManager[Any]:
        """Where the network and its optimizer are made."""
        return self._strategy.scope() if self._strategy else nullcontext()

    def prepare(self, model: keras.Model) -> None:
        """Makes a network one of several replicas; to be called once its weights are those to begin with.

        Args:
            model: Made in `scope`. Its normalisations are synchronised, and each replica drops other activations.
        """
        if self._strategy is None or self.replicas == 1:
            return
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
            # Masks are drawn from (seed, count): the same everywhere, or each replica would drop what another does.
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                held = self._strategy.experimental_local_results(generator.state.value)
                for replica, state in enumerate(held, start=self._first):
                    state.assign(state + tf.constant([replica, 0], state.dtype))

    def compile(self, step: Callable[..., Any], signature: Sequence[tf.TensorSpec]) -> Callable[..., Any]:
        """Makes one step of this worker's batches out of the step of a replica.

        Args:
            step: Takes the tensors of a batch and returns sums over its frames.
            signature: Of these tensors; each has the frames as its first axis, of any length.

        Returns:
            A function of a batch of this worker: the sums over all frames of it.
        """
        # No step branches on a tensor: without AutoGraph there is nothing to rewrite, and nothing to warn of.
        whole: Callable[..., Any] = tf.function(step, input_signature=signature, autograph=False)
        if self._strategy is None:
            return whole
        divided = tf.function(partial(self._divided, step), input_signature=signature, autograph=False)

        def of_worker(*batch: Any) -> Any:
            return (divided if len(batch[0]) >= self._local else whole)(*batch)

        return of_worker

    def total(self, value: Any) -> Any:
        """Inside a step: the sum over all replicas, in each of them."""
        if self.replicas == 1:
            return value
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)

    def agree_on_overflow(self, gradients: Sequence[Any]) -> list[Any]:
        """Inside a step: gradients that are no numbers anywhere, if they are none in one replica.

        Keras's `LossScaleOptimizer` leaves a step out where gradients overflowed, and asks each replica for itself:
        those that went on would wait for ever to add theirs up with those that did not.
        """
        if self.replicas == 1:
            return list(gradients)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(one)) for one in gradients])
        overflowed = self.total(1.0 - tf.cast(finite, tf.float32)) > 0
        return [one + tf.where(overflowed, tf.constant(np.nan, one.dtype), 0) for one in gradients]

    def add_up(self, numbers: Sequence[float]) -> list[float]:
        """The sums over all workers, in double precision."""
        if self.share.workers == 1:
            return list(numbers)
        return [float(one) for one in self._sum(np.array(numbers, np.float64))]

    def of_chief(self, number: float) -> float:
        """The chief's number, in all workers: what depends on its clock must be decided alike."""
        return self.add_up([number if self.is_chief else 0.0])[0]

    @contextmanager
    def workplace(self, run: Run | None) -> Iterator[Run]:
        """The run folder that this worker trains in.

        Args:
            run: The run; None in workers other than the chief.

        Yields:
            The chief's own run, or a copy of what training reads there, which goes with the block.
        """
        if run is not None:
            if self.share.workers > 1:
                self._send(run)
            yield run
            return
        with tempfile.TemporaryDirectory(prefix="celestial-worker-") as folder:
            self._receive(Path(folder))
            yield Run(Path(folder))

    @contextmanager
    def missing_workers(self) -> Iterator[None]:
        """While the block lasts, the loss of another worker ends it.

        Raises:
            WorkerLostError: Another worker has ended or cannot be reached.
        """
        try:
            yield
        except _LOST as error:
            if self.share.workers == 1:
                raise
            raise WorkerLostError(
                f"worker {self.share.worker} of {self.share.workers} has lost another one, or the way to it; start all"
                " again, with --resume to go on after the last finished epoch"
            ) from error

    def _divided(self, step: Callable[..., Any], *batch: Any) -> Any:
        def of_replica() -> Any:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            index = int(tf.get_static_value(replica)) - self._first
            frames = tf.shape(batch[0])[0]
            part = slice(index * frames // self._local, (index + 1) * frames // self._local)
            return step(*(one[part] for one in batch))

        assert self._strategy is not None
        return tf.add_n(self._strategy.experimental_local_results(self._strategy.run(of_replica)))

    def _send(self, run: Run) -> None:
        read = (run.config, run.versions, run.derivation, run.start, run.outcome, *checkpoints(run.checkpoints)[-1:])
        found = [path for path in read if path.is_file()]
        self._bytes_of_chief(json.dumps([str(path.relative_to(run.folder)) for path in found]).encode())
        for path in found:
            self._bytes_of_chief(path.read_bytes())

    def _receive(self, folder: Path) -> None:
        for name in json.loads(self._bytes_of_chief()):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(self._bytes_of_chief())

    def _bytes_of_chief(self, held: bytes = b"") -> bytes:
        """The chief's bytes, in all workers; the others call it with none."""
        size = int(self._sum(np.array([len(held)], np.int64))[0])
        received = bytearray()
        for start in range(0, size, _PIECE_BYTES):
            piece = held[start : start + _PIECE_BYTES]
            # Sums are those of whole numbers of four bytes: bytes themselves cannot be added up.
            padded = min(_PIECE_BYTES, size - start + -size % 4)
            received += self._sum(np.frombuffer(piece.ljust(padded, b"\0"), np.int32)).tobytes()
        return bytes(received[:size])

    def _sum(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The sum over the workers, of one that is not inside a step."""

        def of_replica(context: tf.distribute.ValueContext) -> Any:
            first = context.replica_id_in_sync_group == self._first
            return tf.constant(numbers if first else np.zeros_like(numbers))

        assert self._strategy is not None
        held = self._strategy.experimental_distribute_values_from_function(of_replica)
        found: npt.NDArray[Any] = self._strategy.reduce(tf.distribute.ReduceOp.SUM, held, axis=None).numpy()
        return found


def join(strategy: str) -> Distribution:
    """Takes this process's place among those that train together.

    Args:
        strategy: One of `STRATEGIES`: `mirrored` has a replica on each GPU of this machine; `multiworker` on each GPU
            of each worker of `TF_CONFIG`, or one for the processors of each, and waits until all workers are there.

    Returns:
        What `train` is given. With `multiworker` it is to be called before anything else is done with TensorFlow.

    Raises:
        RunError: `TF_CONFIG` does not say which workers there are.
        WorkerLostError: The others cannot be reached, or this worker's address cannot be had.
    """
    if strategy == "single":
        return Distribution()
    if strategy == "mirrored":
        return Distribution(tf.distribute.MirroredStrategy())
    share = share_of(os.environ)
    try:
        return Distribution(tf.distribute.MultiWorkerMirroredStrategy(), share)
    except (tf.errors.OpError, RuntimeError) as error:
        raise WorkerLostError(
            f"worker {share.worker} of {share.workers} cannot join the others: {str(error).partition(chr(10))[0]}"
        ) from error
