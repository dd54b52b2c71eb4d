//! Gives up rights, then becomes the program.

use std::process::ExitCode;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};
use rustix::process::{Signal, set_parent_process_death_signal, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
};

use super::helper::{complain, complain_of};
use super::order::{Fence, Order};

/// The newest rights that are asked for; older kernels have fewer.
const NEWEST: ABI = ABI::V9;

/// The second helper: becomes the program, or complains.
pub fn main() -> ExitCode {
    let order = match Order::read() {
        Ok(order) => order,
        Err(error) => return complain(&format!("no order: {error}")),
    };
    // If the warden is killed, nobody else would end the program.
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return complain(&format!("it would outlive sizar: {error}"));
    }
    // A session of its own has no terminal to type into.
    if let Err(error) = setsid() {
        return complain(&format!("it has no session: {error}"));
    }
    if order.own_network
        && let Err(error) = loopback_up()
    {
        return complain(&format!("the loopback network could not be made: {error}"));
    }
    if let Some(fence) = &order.fence {
        match restrict(fence) {
            Ok(RulesetStatus::NotEnforced) => {
                return complain("this kernel does not enforce Landlock");
            }
            Ok(_) => {}
            Err(error) => return complain(&format!("Landlock refused: {error}")),
        }
    }
    if (order.fence.is_some() || order.own_network)
        && let Err(error) = drop_capabilities()
    {
        return complain(&format!("capabilities could not be given up: {error}"));
    }
    complain_of(&order.program, &order.exec())
}

fn restrict(fence: &Fence) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if fence.ports.is_some() {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let device: BitFlags<AccessFs> =
        AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::IoctlDev;
    let read = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
    let altered: BitFlags<AccessFs> = AccessFs::WriteFile | AccessFs::Truncate;
    let ports = fence.ports.iter().flatten();
    // Paths that are not there are passed over: nothing is shown that does not exist.
    let status = rules
        .create()?
        .add_rules(path_beneath_rules(&fence.read, read))?
        .add_rules(path_beneath_rules(&fence.write, AccessFs::from_all(NEWEST)))?
        .add_rules(path_beneath_rules(&fence.devices, device))?
        .add_rules(path_beneath_rules(&fence.listed, AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(&fence.altered, altered))?
        .add_rules(
            ports.map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp))),
        )?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// Gives up what makes root more than a user; `no_new_privs` keeps `exec` from giving it back.
fn drop_capabilities() -> rustix::io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

/// Brings up the loopback device of a new network namespace: programs talk to themselves by it.
fn loopback_up() -> rustix::io::Result<()> {
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, sendto, socket};

    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    const LOOPBACK: i32 = 1;
    const IFF_UP: u32 = 1;

    // `struct nlmsghdr` and `struct ifinfomsg`, netlink(7) and rtnetlink(7).
    let mut message = Vec::with_capacity(32);
    message.extend(32u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend([0u8; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());

    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0u8; 256];
    let (count, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // An acknowledgement is `nlmsghdr` and an error number, 0 for success.
    match answer.get(16..20).filter(|_| count >= 20).and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => match i32::from_ne_bytes(bytes) {
            0 => Ok(()),
            error => Err(rustix::io::Errno::from_raw_os_error(-error)),
        },
        None => Err(rustix::io::Errno::PROTO),
    }
}
