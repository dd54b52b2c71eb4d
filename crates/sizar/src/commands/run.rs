//! `sizar run`.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_engine::dataset;
use sizar_engine::failpoint;
use sizar_engine::process::{Control, input_waits};
use sizar_engine::queue::{self, Watcher};
use sizar_engine::run::{self, BuildPlace, Execution, RunPlan, RunRequest};
use sizar_engine::sandbox;
use sizar_engine::store::{Journal, NewRun, Prepared};
use sizar_model::resources::{ByteSize, Walltime};
use sizar_model::{
    DataBinding, EventKind, JobSpec, Locator, Mail, Resources, RunId, RunState, Scratch,
};

use crate::commands::after;
use crate::commands::environment_options::EnvironmentOptions;
use crate::commands::fitting;
use crate::commands::in_hand::InHand;
use crate::commands::repaired::Repairs;
use crate::commands::run_elsewhere;
use crate::commands::run_report::{page, report};
use crate::commands::run_start;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupt;
use crate::output;
use crate::session::Session;

/// Run a driver of a source and keep what it makes
///
/// Brings the source here, makes (or finds again) its environment, and runs the driver in a copy of
/// the source that belongs to this run alone. The exit code is the program's; sizar's own failures
/// are 125.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar run pypi:madmom -- DBNBeatTracker single examples/clicks.wav
  sizar run ./code --data ~/scans:data/imgs --cpus 2 --time 30m -- predict.py --input data/imgs
  sizar run github:owner/name@v1.0 --dry-run -- train.py --epochs 1
  sizar run ./code --data voc:./mypages --dry-run -- train.py   where it expects VOC, and why
  sizar run pypi:langid --stdin letters.txt -- langid --line   what the program reads
  sizar run ./code --in src -- main.py            as after `cd src`
  sizar run ./code --detach -- train.py          queue it; `sizar runs` follows it
  sizar run ./code --batch seeds.txt -- train.py one run for each line of seeds.txt
  sizar run ./code --on tours --gpus 1 --time 4h -- train.py    on a cluster (`sizar target add`)
  sizar run ./code --on tours --dry-run -- train.py             show the batch script
  sizar run ./code --on tours --after 7x2k -- eval.py           when that one has completed
  sizar run ./code --on tours --time 4h --restart 5 -- train.py go on after each walltime

A folder of your own has the network while it runs, anything else has not:
`--network` and `--no-network` decide otherwise.")]
pub struct RunArgs {
    /// A folder, a git address, `github:owner/name`, `pypi:name[==version]`, or an archive
    pub source: Locator,
    /// The driver and its arguments, as its manual writes them
    #[arg(last = true, required = true, value_name = "DRIVER ARGS")]
    command: Vec<String>,
    /// Show HERE to the program as THERE: relative to the source, `~/…`, or absolute; read only,
    /// or a copy with `:copy` at the end. FORMAT:PATH lays a data set of yours out in that format
    /// (`voc`, `coco`, `yolo`, `mask`, `imagefolder`, …; `auto` for the driver's) where the driver
    /// looks, converted if need be; FORMAT:PATH:THERE says where
    #[arg(long, value_name = "HERE:THERE|FORMAT:PATH")]
    data: Vec<String>,
    /// What the program reads from its standard input: a file, or `-` for what is piped to this
    /// command, which is kept with the run
    #[arg(long, value_name = "FILE|-")]
    stdin: Option<Utf8PathBuf>,
    /// Start the driver in this folder of the source, as its README does after `cd FOLDER`; the driver
    /// is named as it is called there. Without it, the README and the code say where; `.` is the root
    #[arg(long = "in", value_name = "FOLDER")]
    folder: Option<Utf8PathBuf>,
    /// Set a variable for the program
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    variables: Vec<(String, String)>,
    /// Let the program reach the network
    #[arg(long, conflicts_with = "no_network")]
    network: bool,
    /// Keep the program off the network
    #[arg(long)]
    no_network: bool,
    /// Where the program stops early for a reason that another environment takes away, leave it at
    /// that: do not make one, and do not run it again
    #[arg(long)]
    no_repair: bool,
    /// Show what would happen, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Run it on a target: a cluster that `sizar target add` made known
    #[arg(long, value_name = "TARGET")]
    pub on: Option<String>,
    /// Begin when this run, or every task of this sweep, has completed; do not run if one did not
    #[arg(long, value_name = "RUN")]
    after: Vec<String>,
    #[command(flatten)]
    resources: ResourceOptions,
    #[command(flatten)]
    batch_job: BatchJobOptions,
    #[command(flatten)]
    pub queue: QueueOptions,
    #[command(flatten)]
    environment: EnvironmentOptions,
}

/// What the program may use.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Resources")]
struct ResourceOptions {
    /// Processor cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cpus: Option<u32>,
    /// Memory, such as 4G; a program that uses more is stopped
    #[arg(long, value_name = "SIZE")]
    mem: Option<ByteSize>,
    /// GPUs
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// The longest time it may run, such as 90s, 30m, 4h
    #[arg(long, value_name = "TIME")]
    time: Option<Walltime>,
}

/// What only a cluster's scheduler understands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "On a cluster")]
struct BatchJobOptions {
    /// The partition (Slurm) or queue (OAR)
    #[arg(long, value_name = "NAME", requires = "on")]
    partition: Option<String>,
    /// Who pays: the account (Slurm) or project (OAR)
    #[arg(long, value_name = "NAME", requires = "on")]
    account: Option<String>,
    /// The quality of service
    #[arg(long, value_name = "NAME", requires = "on")]
    qos: Option<String>,
    /// Machines
    #[arg(long, value_name = "N", requires = "on",
          value_parser = clap::value_parser!(u32).range(1..))]
    nodes: Option<u32>,
    /// Processes over all machines (MPI ranks)
    #[arg(long, value_name = "N", requires = "on",
          value_parser = clap::value_parser!(u32).range(1..))]
    tasks: Option<u32>,
    /// The kind of GPU, in the site's word
    #[arg(long, value_name = "KIND", requires = "on")]
    gpu_type: Option<String>,
    /// Which nodes: features (Slurm: `skylake&ib`) or properties (OAR: `cluster='c1'`)
    #[arg(long, value_name = "EXPRESSION", requires = "on")]
    constraint: Option<String>,
    /// Send and bring no more than this in a second, such as 5M
    #[arg(long, value_name = "SIZE", requires = "on")]
    bwlimit: Option<ByteSize>,
    /// A reservation's name
    #[arg(long, value_name = "NAME", requires = "on")]
    reservation: Option<String>,
    /// It may be stopped for the sake of other jobs (OAR: `besteffort`)
    #[arg(long, requires = "on")]
    preemptible: bool,
    /// Share the machines with no other job
    #[arg(long, requires = "on")]
    exclusive: bool,
    /// A licence, `name` or `name:count`
    #[arg(long = "licence", alias = "license", value_name = "NAME", requires = "on")]
    licences: Vec<String>,
    /// To whom the scheduler writes at the job's end
    #[arg(long, value_name = "ADDRESS", requires = "on")]
    mail: Option<String>,
    /// Give it up to N more attempts where its time is over, its memory was too little, or its node
    /// or place was taken away; each goes on from what the last one made. Memory that was too little
    /// is doubled, and so is time that was too short for a first checkpoint, up to the site's limits
    #[arg(long, value_name = "N", requires = "on", default_value_t = 0)]
    restart: u32,
    /// What is added to the command then; `{checkpoint}` is the newest one. Without it, the
    /// driver's own option is used, where it has one such as `--resume`
    #[arg(long, value_name = "WORDS", requires = "restart", allow_hyphen_values = true)]
    restart_args: Option<String>,
    /// Weights that the code would download from an address that is written in it are fetched before
    /// the job, if the job has no network, up to so many bytes together; `no` only names them
    #[arg(long, value_name = "SIZE|no", requires = "on", default_value = "2G")]
    weights: Weights,
    /// Where the environment is made: on the target, or here and then sent; without it sizar
    /// chooses
    #[arg(long, value_name = "PLACE", requires = "on")]
    build: Option<Build>,
    /// Work on the node's own disk: `auto` where its files are on a network file system and the node
    /// has room, `no`, or a folder of the node such as `'$TMPDIR'`
    #[arg(long, value_name = "WHERE", requires = "on", default_value = "auto")]
    scratch: Scratch,
    /// Queue it without starting the driver on the login node first, which tells whether it
    /// imports what it needs and takes its arguments
    #[arg(long, requires = "on")]
    no_rehearsal: bool,
    /// Anything else for the scheduler, as it is: `--scheduler-args=--comment=x`
    #[arg(
        long = "scheduler-args",
        value_name = "ARG",
        requires = "on",
        allow_hyphen_values = true
    )]
    scheduler_args: Vec<String>,
}

/// Where an environment is made.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Build {
    Here,
    There,
}

/// Whether to wait for it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueOptions {
    /// Queue the run and give the shell back
    #[arg(short, long)]
    pub detach: bool,
    /// Queue one run for each line of a file (`-` for standard input); the line's words are added
    /// to the command
    #[arg(long, value_name = "FILE")]
    pub batch: Option<Utf8PathBuf>,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains(['\0', ' ']) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

pub fn run(session: &Session, args: &RunArgs) -> CommandResult<u8> {
    // a shell must be able to tell the program's exit codes from ours
    execute(session, args).map_err(|failure| match failure.code {
        ExitCode::Interrupted => failure,
        _ => failure.with_code(ExitCode::Run),
    })
}

fn execute(session: &Session, args: &RunArgs) -> CommandResult<u8> {
    let request = request(session, args)?;
    if args.stdin.is_none() && input_waits() {
        session.say(
            "the program gets no standard input; `--stdin -` gives it what you pipe, and keeps it \
             with the run",
        );
    }
    if let Some(target) = &args.on {
        if args.queue.batch.is_some() {
            let error = anyhow::anyhow!("`--batch` queues runs on this machine only");
            return Err(Failure::new(ExitCode::Usage, error));
        }
        let wish = run_elsewhere::Wish {
            source: &args.source,
            request,
            detach: args.queue.detach,
            dry_run: args.dry_run,
            bwlimit: args.batch_job.bwlimit,
        };
        return run_elsewhere::run(session, target, wish);
    }
    if request.job.sandbox {
        sandbox::detect_ahead();
    }
    if args.dry_run {
        let plan = run::prepare(&session.home, &args.source, &request, &session.reporter)?;
        output::print(&page(&plan))?;
        return Ok(0);
    }
    if let Some(batch) = &args.queue.batch {
        return queue_batch(session, args, &request, batch);
    }
    let mut journal = session.journal()?;
    after::check_here(&journal, &request.job.after)?;
    let id = journal.create(&wish(&request, None)?)?;
    failpoint::hit("run:after-created");
    let interrupt = Interrupt::watch(&session.home)?;
    interrupt.preparing(&id);
    let mut plan = prepare(session, &mut journal, &id, &args.source, &request)?;
    if args.queue.detach {
        interrupt.idle();
        journal.enqueue(&id)?;
        queue::ensure_supervisor(&session.home)?;
        output::print(&format!("{id}\n"))?;
        session.say(&format!("queued; `sizar logs -f {id}` follows it"));
        return Ok(0);
    }
    after::wait_for(session, &mut journal, &id)?;
    let mut repairs = Repairs::new(&request);
    // who waits for this run is told how it ended when nothing more is done about it here
    let _in_hand = if args.no_repair { None } else { InHand::take(&session.home, &id).ok() };
    loop {
        let control = Control::default();
        interrupt.running(&control);
        let execution = Execution {
            home: &session.home,
            run: &id,
            plan: &plan,
            control: &control,
            echo: true,
            generation: None,
        };
        let outcome = run::execute(&mut journal, execution)?;
        interrupt.idle();
        let run = journal.get(id.as_str())?;
        let receipt = &outcome.receipt;
        let why = run::why(&session.home, &run, receipt, Some(&plan));
        if let Some(why) = &why
            && !args.no_repair
            && repairs.is_at_once(&journal, &run, receipt, why)?
        {
            interrupt.preparing(&id);
            let another = repairs.prepare(session, &mut journal, (&run, &plan), receipt, why);
            interrupt.idle();
            if let Some(another) = another {
                plan = another;
                continue;
            }
        }
        repairs.end(why.as_ref());
        report(session, &run, receipt, why.as_ref().filter(|_| !repairs.gave_up()));
        return Ok(u8::try_from(outcome.exit_code()).unwrap_or(1));
    }
}

/// Turns what was typed into what it means.
pub fn request(session: &Session, args: &RunArgs) -> CommandResult<RunRequest> {
    let cwd = Utf8PathBuf::try_from(std::env::current_dir()?)
        .map_err(|error| Failure::new(ExitCode::Failure, error))?;
    let (driver, words) =
        args.command.split_first().map_or((String::new(), &[][..]), |(d, w)| (d.clone(), w));
    let driver = run_start::in_folder(args.folder.as_deref(), driver)?;
    let driven = fitting::Driven {
        source: &args.source,
        acquire: args.environment.wish(&args.source)?.acquire(),
        driver: &driver,
        args: words,
        dry: args.dry_run,
    };
    let fitting::Bound { bindings: data, origins, args: filled } =
        fitting::bindings(session, &args.data, &cwd, &driven)?;
    let data = match args.on {
        // a target with an internet fetches for itself
        Some(_) => data,
        None => data
            .into_iter()
            .map(|binding| fetched(session, binding))
            .collect::<CommandResult<Vec<_>>>()?,
    };
    let stdin = args
        .stdin
        .as_deref()
        .map(|file| run_start::stdin(session, file, &cwd, args))
        .transpose()?;
    let data: Vec<_> = data.into_iter().chain(stdin.flatten()).collect();
    let own = matches!(args.source, Locator::Folder(_));
    let resources = &args.resources;
    let job = &args.batch_job;
    Ok(RunRequest {
        source: args.source.to_string(),
        environment: args.environment.wish(&args.source)?,
        job: JobSpec {
            args: [words, &filled].concat(),
            driver,
            folder: args.folder.clone(),
            resources: Resources {
                cpus: resources.cpus,
                memory: resources.mem,
                gpus: resources.gpus,
                walltime: resources.time,
                nodes: job.nodes,
                tasks: job.tasks,
                gpu_type: job.gpu_type.clone(),
                partition: job.partition.clone(),
                account: job.account.clone(),
                qos: job.qos.clone(),
                constraint: job.constraint.clone(),
                reservation: job.reservation.clone(),
                preemptible: job.preemptible,
                exclusive: job.exclusive,
                licences: job.licences.clone(),
                mail: job.mail.clone().map(|to| Mail { to, on: Vec::new() }),
                signal_before: None,
                scheduler_args: job.scheduler_args.clone(),
            },
            after: after::named(session, &args.after)?,
            task: None,
            restart: job.restart,
            scratch: job.scratch.clone(),
            restart_args: restart_args(job.restart_args.as_deref())?,
            data,
            origins,
            network: args.network || (own && !args.no_network),
            sandbox: args.environment.sandbox(),
            env: args.variables.clone(),
        },
        caller_cwd: cwd,
        build: match job.build {
            Some(Build::Here) => BuildPlace::Here,
            Some(Build::There) => BuildPlace::There,
            None => BuildPlace::Auto,
        },
        rehearsal: !job.no_rehearsal,
        weights: job.weights.0,
    })
}

/// Up to how many bytes of weights are fetched; none where nothing is.
#[derive(Clone, Copy, Debug)]
struct Weights(Option<ByteSize>);

impl std::str::FromStr for Weights {
    type Err = <ByteSize as std::str::FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(if text == "no" { None } else { Some(text.parse()?) }))
    }
}

/// Splits what is added to a command into words, as a shell does.
fn restart_args(text: Option<&str>) -> CommandResult<Vec<String>> {
    shell_words::split(text.unwrap_or_default()).map_err(|source| {
        let error = anyhow::Error::new(source).context("`--restart-args` is no list of words");
        Failure::new(ExitCode::Usage, error)
    })
}

/// Makes the journal's form of a request.
fn wish(request: &RunRequest, prepared: Option<Prepared>) -> CommandResult<NewRun> {
    wish_on("local", request, prepared)
}

/// As [`wish`], for a run on `target`.
pub fn wish_on(
    target: &str,
    request: &RunRequest,
    prepared: Option<Prepared>,
) -> CommandResult<NewRun> {
    Ok(NewRun {
        source: request.source.clone(),
        target: target.to_owned(),
        job: request.job.clone(),
        request: Some(serde_json::to_value(request)?),
        prepared,
    })
}

/// Prepares a run that is in the journal; what goes wrong is written there too.
pub fn prepare(
    session: &Session,
    journal: &mut Journal,
    id: &RunId,
    source: &Locator,
    request: &RunRequest,
) -> CommandResult<RunPlan> {
    let me = Watcher::current();
    let began = EventKind::PreparationBegan { pid: me.pid, pid_started: me.started };
    if journal.state(id)? == RunState::Created {
        journal.append(id, &began)?;
    }
    let plan =
        run::prepare(&session.home, source, request, &session.reporter).map_err(|error| {
            let reason = error.to_string();
            let failure = Failure::from(error);
            // the message is what matters now; the journal's copy is a courtesy
            let _ = journal.append(id, &EventKind::Failed { reason });
            failure
        })?;
    journal.prepared(id, &prepared(&plan)?)?;
    Ok(plan)
}

pub fn prepared(plan: &RunPlan) -> CommandResult<Prepared> {
    let environment = plan.prefix.file_name().unwrap_or_default().to_owned();
    Ok(Prepared { environment, plan: plan.to_json()? })
}

/// Queues one run for each line of a file: all of them, or none.
fn queue_batch(
    session: &Session,
    args: &RunArgs,
    request: &RunRequest,
    batch: &Utf8Path,
) -> CommandResult<u8> {
    let text = if batch == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        fs_err::read_to_string(batch)?
    };
    let plan = run::prepare(&session.home, &args.source, request, &session.reporter)?;
    let mut wishes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let words = shell_words::split(line).map_err(|source| {
            let error = anyhow::Error::new(source);
            Failure::new(
                ExitCode::Usage,
                error.context(format!("line {} of `{batch}` is no list of words", number + 1)),
            )
        })?;
        let mut request = request.clone();
        request.job.args.extend(words.iter().cloned());
        let mut plan = plan.clone();
        plan.args.extend(words);
        plan.job = request.job.clone();
        wishes.push(wish(&request, Some(prepared(&plan)?))?);
    }
    if wishes.is_empty() {
        let error = anyhow::anyhow!("`{batch}` has no lines");
        return Err(Failure::new(ExitCode::Usage, error));
    }
    let ids = queue::submit(&session.home, &mut session.journal()?, &wishes)?;
    let list: String = ids.iter().flat_map(|id| [id.as_str(), "\n"]).collect();
    output::print(&list)?;
    session.say(&format!("{} runs are queued; `sizar wait` waits for them", ids.len()));
    Ok(0)
}

/// Fetches what a binding shows, where that lies at an address.
fn fetched(session: &Session, binding: DataBinding) -> CommandResult<DataBinding> {
    if !dataset::is_address(binding.here.as_str()) {
        return Ok(binding);
    }
    let archive = dataset::Archive::from_environment();
    let here = dataset::fetch(
        &session.home,
        binding.here.as_str(),
        (&archive, &dataset::Bounds::default()),
        &session.reporter,
    )
    .map_err(|error| {
        let hints = error.hints();
        Failure::new(ExitCode::Source, error).hints(hints)
    })?;
    Ok(DataBinding { here, ..binding })
}
