# Checks the shim `horovod-alone` against a real torch.

from __future__ import print_function

import torch
import horovod
import horovod.torch as hvd

hvd.init()
assert hvd.is_initialized() and (hvd.size(), hvd.rank(), hvd.local_rank()) == (1, 0, 0)
assert not hvd.nccl_built()
model = torch.nn.Linear(2, 1)
hvd.broadcast_parameters(model.state_dict(), root_rank=0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1 * hvd.size())
hvd.broadcast_optimizer_state(optimizer, root_rank=0)
optimizer = hvd.DistributedOptimizer(
    optimizer, named_parameters=model.named_parameters(), compression=hvd.Compression.none, op=hvd.Average
)
before = model.weight.detach().clone()
model(torch.ones(1, 2)).sum().backward()
optimizer.synchronize()
with optimizer.skip_synchronize():
    optimizer.step()
assert not torch.equal(before, model.weight)
x = torch.tensor([3.0])
assert hvd.allreduce(x, name="loss").item() == 3 and hvd.synchronize(hvd.allreduce_async_(x)).item() == 3
assert hvd.allgather_object("a") == ["a"] and hvd.broadcast_object({"a": 1}, 0) == {"a": 1}
try:
    import horovod.run
except ImportError:
    print("all good")
