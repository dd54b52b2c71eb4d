//! Makes the command that starts a program in its sandbox.

use std::collections::BTreeMap;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::{Invocation, NetworkAccess};

use super::scratch::Scratch;
use super::supervise::Chain;
use super::{Limits, ProcessError, environment};
use crate::sandbox::{self, Confinement, IndexHosts, Order, Proxy, SandboxKind, Upstream, helper};

/// What the first process reads from its standard input.
pub enum Feed {
    Nothing,
    /// What a helper is told.
    Order(Vec<u8>),
    /// A file goes through a pipe: opened out here it could be written to, by its name in `/proc`,
    /// whatever is shown read only inside.
    File(fs::File),
}

/// A program that is ready to be started.
pub struct Launch {
    pub command: Command,
    pub chain: Chain,
    pub stdin: Feed,
    pub notes: Vec<String>,
    pub proxy: Option<Proxy>,
    /// What is needed outside while it runs.
    _scratch: Scratch,
}

/// What making a launch needs to know.
struct Plan<'a> {
    invocation: &'a Invocation,
    confinement: Confinement,
    variables: BTreeMap<String, String>,
    user: BTreeMap<String, String>,
    cwd: &'a Utf8Path,
    scratch: Utf8PathBuf,
    notes: Vec<String>,
}

impl Launch {
    /// Makes the folders that a program needs, the files of its sandbox and its proxy.
    pub fn prepare(
        invocation: &Invocation,
        confinement: &Confinement,
        limits: &Limits,
        live: bool,
    ) -> Result<Self, ProcessError> {
        for folder in [&confinement.home, &confinement.tmp] {
            fs::create_dir_all(folder).map_err(unusable(folder))?;
        }
        let bindings = confinement.bindings.iter().map(|binding| &binding.here);
        for path in confinement.readable.iter().chain(&confinement.writable).chain(bindings) {
            fs::metadata(path).map_err(unusable(path))?;
        }
        if let Some(path) = &invocation.stdin {
            fs::metadata(path).map_err(unusable(path))?;
        }
        let cwd = invocation.cwd.as_deref().unwrap_or(&confinement.home);
        fs::metadata(cwd).map_err(unusable(cwd))?;
        let user: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let variables = environment::variables(invocation, confinement, limits, live, &user);
        let mut confinement = confinement.clone();
        if invocation.network != NetworkAccess::None {
            let named = environment::CERTIFICATES.iter().filter_map(|name| variables.get(*name));
            let paths = named.flat_map(|value| value.split(':')).map(Utf8PathBuf::from);
            confinement.readable.extend(paths.filter(|path| path.is_absolute() && path.exists()));
        }
        let scratch = Scratch::new()?;
        let mut plan = Plan {
            invocation,
            confinement,
            variables,
            user,
            cwd,
            scratch: scratch.path().to_owned(),
            notes: Vec::new(),
        };
        let (command, chain, stdin, proxy) = match plan.confinement.kind {
            SandboxKind::Bubblewrap => {
                let (command, proxy) = plan.bubblewrap()?;
                let feed = match &invocation.stdin {
                    Some(path) => Feed::File(fs::File::open(path).map_err(unusable(path))?),
                    None => Feed::Nothing,
                };
                (command, Chain::Bubblewrap, feed, proxy)
            }
            SandboxKind::Landlock | SandboxKind::None => {
                let (order, proxy) = plan.order()?;
                let text = serde_json::to_vec(&order)
                    .map_err(|error| ProcessError::Sandbox { message: error.to_string() })?;
                let mut command = Command::new(helper()?);
                command.arg(helper::WARDEN).env_clear();
                (command, Chain::Warden, Feed::Order(text), proxy)
            }
        };
        Ok(Self { command, chain, stdin, notes: plan.notes, proxy, _scratch: scratch })
    }
}

impl Plan<'_> {
    fn bubblewrap(&self) -> Result<(Command, Option<Proxy>), ProcessError> {
        let program = sandbox::bubblewrap_program().ok_or(ProcessError::NoBubblewrap)?;
        let etc = self.scratch.join("etc");
        let etc = sandbox::Etc::make(etc.clone(), &self.confinement.home, self.invocation.network)
            .map_err(unusable(&etc))?;
        let mut extra = Vec::new();
        let mut bridge = None;
        if self.invocation.network == NetworkAccess::Index {
            let (socket, proxy) = self.proxy_at_socket()?;
            extra.push(("/run/sizar/helper", helper()?));
            extra.push(("/run/sizar/index", socket));
            bridge = Some(proxy);
        }
        let setup =
            sandbox::Setup { network: self.invocation.network, etc: &etc, extra, cwd: self.cwd };
        let mut command = Command::new(program);
        command.env_clear();
        for (name, value) in &self.variables {
            if loads_code(name) {
                command.args(["--setenv", name, value]);
            } else {
                // Not on the command line, which every user of the machine can read.
                command.env(name, value);
            }
        }
        let arguments =
            sandbox::arguments(&self.confinement, &setup).map_err(unusable(&self.scratch))?;
        command.args(arguments);
        if bridge.is_some() {
            command.args(["/run/sizar/helper", helper::BRIDGE, "/run/sizar/index"]);
        }
        command.arg(&self.invocation.program).args(&self.invocation.args);
        Ok((command, bridge))
    }

    /// Returns what the warden is told.
    fn order(&mut self) -> Result<(Order, Option<Proxy>), ProcessError> {
        if let Some(binding) = sandbox::landlock::missing_binding(&self.confinement) {
            return Err(ProcessError::BindingNeedsBubblewrap { there: binding.there.clone() });
        }
        let network = self.invocation.network;
        let mut order = Order {
            parent: std::process::id(),
            program: self.invocation.program.clone(),
            args: self.invocation.args.clone(),
            env: self.variables.clone(),
            cwd: self.cwd.to_owned(),
            stdin: self.invocation.stdin.clone(),
            own_network: false,
            fence: None,
        };
        if self.confinement.kind == SandboxKind::None {
            let mut proxy = None;
            if network == NetworkAccess::Index && self.confinement.time_machine.is_some() {
                proxy = Some(self.proxy_at_port(&mut order)?.0);
            }
            if network != NetworkAccess::Full {
                self.notes.push("without a sandbox the network stayed open".to_owned());
            }
            return Ok((order, proxy));
        }
        let own = network != NetworkAccess::Full && sandbox::landlock::network_namespaces();
        order.own_network = own;
        let gpus = self.confinement.gpus;
        self.notes.extend(sandbox::landlock::openings(network, own, gpus));
        let mut proxy = None;
        let mut ports = (network != NetworkAccess::Full && !own).then(Vec::new);
        if network == NetworkAccess::Index && own {
            let (socket, running) = self.proxy_at_socket()?;
            let helper = helper()?;
            self.confinement.readable.push(helper.clone());
            // Connecting needs the right to write where kernels check it at all.
            self.confinement.writable.push(socket.clone());
            let program = std::mem::replace(&mut order.program, helper.into_string());
            let bridge = [helper::BRIDGE.to_owned(), socket.into_string(), program];
            order.args.splice(0..0, bridge);
            proxy = Some(running);
        } else if network == NetworkAccess::Index {
            let (running, port) = self.proxy_at_port(&mut order)?;
            ports = Some(vec![port]);
            proxy = Some(running);
        }
        order.fence = Some(sandbox::landlock::fence(&self.confinement, network, ports));
        Ok((order, proxy))
    }

    fn hosts(&self) -> IndexHosts {
        IndexHosts::new(&self.user, &self.confinement.index_hosts)
    }

    fn proxy_at_port(&self, order: &mut Order) -> Result<(Proxy, u16), ProcessError> {
        let (upstream, machine) =
            (Upstream::new(&self.user), self.confinement.time_machine.clone());
        let (running, port) = Proxy::at_port(self.hosts(), upstream, machine)
            .map_err(|source| ProcessError::Proxy { source })?;
        for (name, value) in sandbox::proxy_variables(port) {
            order.env.entry(name.to_owned()).or_insert(value);
        }
        Ok((running, port))
    }

    fn proxy_at_socket(&self) -> Result<(Utf8PathBuf, Proxy), ProcessError> {
        let socket = self.scratch.join("index");
        let (upstream, machine) =
            (Upstream::new(&self.user), self.confinement.time_machine.clone());
        let proxy = Proxy::at_socket(&socket, self.hosts(), upstream, machine)
            .map_err(|source| ProcessError::Proxy { source })?;
        Ok((socket, proxy))
    }
}

fn helper() -> Result<Utf8PathBuf, ProcessError> {
    helper::program().ok_or(ProcessError::NoHelper)
}

fn unusable(path: &Utf8Path) -> impl FnOnce(std::io::Error) -> ProcessError {
    move |source| ProcessError::Unusable { path: path.to_owned(), source }
}

/// Returns whether a variable would make bubblewrap itself, outside the sandbox, load a file that
/// foreign code may have written.
fn loads_code(name: &str) -> bool {
    ["LD_", "GLIBC_", "GCONV_", "MALLOC_"].iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "LOCPATH" | "NLSPATH" | "RESOLV_HOST_CONF" | "HOSTALIASES" | "TZDIR")
}
