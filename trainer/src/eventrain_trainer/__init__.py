"""What a training program imports: three lines make it a tracked job.

    import eventrain_trainer as et

    run = et.start()
    for epoch in range(1, 11):
        run.log(epoch=epoch, loss=train_one_epoch())
    run.finish()

Outside a job the same lines print what they are told, so a script runs unchanged on a laptop.
"""

from eventrain_trainer.addresses import TransferError
from eventrain_trainer.port import Resumed
from eventrain_trainer.run import Run
from eventrain_trainer.start import start

__all__ = ["Resumed", "Run", "TransferError", "start"]
