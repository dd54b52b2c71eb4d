# Checks the shims `cpu` and `apex-amp` against a real torch, on a machine without CUDA.

from __future__ import print_function

import os
import sys
import warnings

warnings.simplefilter("ignore")
FOLDER = sys.argv[1]

import torch
import torch.nn as nn
from apex import amp
from apex.parallel import DistributedDataParallel as ApexParallel

# who wants to know gets the truth; who stops without goes on
assert (torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")).type == "cpu"
if torch.cuda.device_count() > 0:
    raise AssertionError("there is no GPU")
assert torch.cuda.is_available(), "CPU training is not allowed."
if not torch.cuda.is_available():
    raise SystemExit("no GPU")
assert torch.cuda.device_count() == 1
workers = torch.cuda.device_count()
assert workers == 1

model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).cuda()
model = model.to("cuda:0").to(torch.device("cuda")).to(device="cuda")
x = torch.randn(4, 3, device="cuda").cuda(0, non_blocking=True)
x = x.to(0).to("cuda", torch.float64).to(x).pin_memory()
assert x.device.type == "cpu" and x.dtype == torch.float32
y = torch.cuda.FloatTensor(4, 3).fill_(1).type(torch.cuda.DoubleTensor)
assert y.type() == "torch.DoubleTensor" and y.type("torch.cuda.FloatTensor").dtype == torch.float32
assert x.new_zeros(2, device="cuda").device.type == "cpu"
torch.set_default_tensor_type("torch.cuda.FloatTensor")
assert torch.zeros(1).type() == "torch.FloatTensor"

parallel = nn.DataParallel(model, device_ids=[0]).cuda()
loss = parallel(x).sum()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model, optimizer = amp.initialize(model, optimizer, opt_level="O1")
with amp.scale_loss(loss, optimizer) as scaled:
    scaled.backward()
optimizer.step()
assert model[0].weight.grad is not None

torch.cuda.manual_seed_all(0)
torch.cuda.set_device(0)
torch.cuda.synchronize()
torch.cuda.empty_cache()
if hasattr(torch, "compile"):
    # it asserts what kinds of classes it finds
    import torch._dynamo
stream, start, end = torch.cuda.Stream(), torch.cuda.Event(enable_timing=True), torch.cuda.Event()
with torch.cuda.stream(stream), torch.cuda.device(0):
    start.record()
    end.record()
assert isinstance(start, torch.cuda.Event) and isinstance(stream, torch.cuda.Stream)
assert start.elapsed_time(end) >= 0 and torch.cuda.max_memory_allocated() == 0
assert torch.cuda.get_device_properties(0).total_memory > 0
torch.backends.cudnn.benchmark = True
generator = torch.Generator(device="cuda")
assert isinstance(generator, torch.Generator) and generator.manual_seed(1) is not None

# a checkpoint that was saved on a GPU names it in each of its storages
path = os.path.join(FOLDER, "checkpoint.pt")
tag, torch.serialization.location_tag = torch.serialization.location_tag, lambda storage: "cuda:3"
torch.save({"weight": torch.ones(2)}, path)
torch.serialization.location_tag = tag
for options in (
    {},
    {"map_location": "cuda:0"},
    {"map_location": torch.device("cuda")},
    {"map_location": {"cuda:3": "cuda:1"}},
    {"map_location": lambda storage, location: storage.cuda(0)},
    {"map_location": "cpu"},
):
    loaded = torch.load(path, **options)["weight"]
    assert loaded.device.type == "cpu" and loaded.sum() == 2, options


# TorchScript knows the functions that were wrapped
class Scripted(nn.Module):
    def forward(self, x):
        return x + torch.zeros([2, 3]) + torch.ones_like(x)


assert torch.jit.script(Scripted())(torch.ones(2, 3)).sum() == 12
torch.jit.trace(nn.Linear(3, 2), torch.ones(1, 3)).cuda()

os.environ["MASTER_ADDR"] = "127.0.0.1"
store = "file://" + os.path.join(FOLDER, "rendezvous")
torch.distributed.init_process_group("nccl", init_method=store, world_size=1, rank=0)
assert torch.distributed.get_backend() == "gloo"
wrapped = nn.parallel.DistributedDataParallel(nn.Linear(3, 2).cuda(0), device_ids=[0])
wrapped(torch.ones(1, 3).cuda()).sum().backward()
ApexParallel(nn.Linear(3, 2), delay_allreduce=True)(torch.ones(1, 3))
normed = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm1d(3)))
assert normed(torch.ones(2, 3)).shape == (2, 3)
loader = torch.utils.data.DataLoader(torch.arange(8), pin_memory=True, num_workers=1)
assert len(list(loader)) == 8

# what fails on the CPU fails with its own error
for wrong, error in (
    (lambda: torch.zeros(2) + torch.zeros(3), RuntimeError),
    (lambda: torch.zeros(-1), RuntimeError),
    (lambda: torch.load(os.path.join(FOLDER, "nowhere.pt")), IOError),
    (lambda: torch.zeros(1).to("nonsense"), RuntimeError),
    (lambda: torch.cuda.NoSuchTensor, AttributeError),
):
    try:
        wrong()
    except error:
        pass
    else:
        raise AssertionError("an error was hidden")
# the wheel of the index was built for CUDA 10.1
assert torch.version.cuda is None

print("all good")
