//! Which of how many processes this is, as the launcher's environment says it.

use crate::ParallelError;
use std::path::PathBuf;

/// One process of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Which one, from 0.
    pub rank: usize,
    /// How many there are, at least 2.
    pub size: usize,
    /// Which one of those on this machine, if it is known.
    pub local: Option<usize>,
    /// How many there are on this machine, if it is known.
    pub local_size: Option<usize>,
    /// Where they meet.
    pub meeting: Meeting,
    /// Distinguishes a job that its launcher has restarted.
    pub attempt: String,
    /// Who says so.
    pub by: &'static str,
}

/// Where ranks meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// At an address.
    Tcp {
        /// Of rank 0.
        host: String,
        /// Its port.
        port: u16,
        /// Whether the launcher listens there, and not rank 0.
        agent: bool,
    },
    /// In a file that all of them see; for tests on one machine.
    File(PathBuf),
}

/// A launcher and the names of its variables.
struct Launcher {
    by: &'static str,
    rank: &'static str,
    size: &'static str,
    local: &'static str,
    local_size: &'static str,
}

const LAUNCHERS: [Launcher; 4] = [
    Launcher { by: "torchrun", rank: "RANK", size: "WORLD_SIZE", local: "LOCAL_RANK", local_size: "LOCAL_WORLD_SIZE" },
    Launcher {
        by: "Open MPI",
        rank: "OMPI_COMM_WORLD_RANK",
        size: "OMPI_COMM_WORLD_SIZE",
        local: "OMPI_COMM_WORLD_LOCAL_RANK",
        local_size: "OMPI_COMM_WORLD_LOCAL_SIZE",
    },
    Launcher {
        by: "a PMI launcher",
        rank: "PMI_RANK",
        size: "PMI_SIZE",
        local: "MPI_LOCALRANKID",
        local_size: "MPI_LOCALNRANKS",
    },
    // Last: mpirun below Slurm inherits its variables.
    Launcher {
        by: "Slurm",
        rank: "SLURM_PROCID",
        size: "SLURM_NTASKS",
        local: "SLURM_LOCALID",
        local_size: "SLURM_NTASKS_PER_NODE",
    },
];

/// torch's own.
const PORT: u16 = 29_500;
/// The most processes of a job.
const MOST: usize = 1 << 16;

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Launch {
    /// Reads the environment; `None` if no launcher has started several processes.
    ///
    /// # Errors
    /// [`ParallelError::Launch`] naming the variable that is missing or makes no sense.
    pub fn read() -> Result<Option<Self>, ParallelError> {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// The same from any variables.
    ///
    /// # Errors
    /// As [`Launch::read`].
    pub fn of(variables: Variables<'_>) -> Result<Option<Self>, ParallelError> {
        for launcher in &LAUNCHERS {
            let (rank, size) = (number(variables, launcher.rank)?, number(variables, launcher.size)?);
            let half = |there: &str, lacks: &str| {
                wrong(format!(
                    "{there} is set and {lacks} is not: start all ranks with {}, or set both (and MASTER_ADDR and MASTER_PORT) by hand, or unset {there}",
                    launcher.by
                ))
            };
            match (rank, size) {
                (None, None) => {}
                // A script below sbatch has both, a job array neither of them always.
                (Some(_), None) | (None, Some(_)) if launcher.by == "Slurm" => {}
                (Some(_), None) => return half(launcher.rank, launcher.size),
                (None, Some(_)) => return half(launcher.size, launcher.rank),
                (Some(rank), Some(size)) => return launcher.launch(variables, rank, size),
            }
        }
        Ok(None)
    }

    /// What a launcher's users overlook.
    pub(crate) fn hint(&self) -> String {
        match self.by {
            "Slurm" => "; below sbatch, start mosa with srun".into(),
            _ => String::new(),
        }
    }
}

impl Launcher {
    fn launch(&self, variables: Variables<'_>, rank: usize, size: usize) -> Result<Option<Launch>, ParallelError> {
        if size == 0 || size > MOST || rank >= size {
            return wrong(format!("{}={rank} of {}={size}: ranks are 0 to {}", self.rank, self.size, size.max(1) - 1));
        }
        if size == 1 {
            return Ok(None);
        }
        let local = number(variables, self.local)?;
        let local_size = number(variables, self.local_size).unwrap_or(None);
        let host = self.host(variables, local_size == Some(size))?;
        let port = self.port(variables)?;
        let agent = variables("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let attempt = variables("TORCHELASTIC_RESTART_COUNT").unwrap_or_else(|| "0".into());
        let meeting = Meeting::Tcp { host, port, agent };
        Ok(Some(Launch { rank, size, local, local_size, meeting, attempt, by: self.by }))
    }

    /// The machine of rank 0.
    fn host(&self, variables: Variables<'_>, all_here: bool) -> Result<String, ParallelError> {
        if let Some(host) = variables("MASTER_ADDR") {
            return Ok(host);
        }
        let nodes = ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"].into_iter().find_map(variables);
        match nodes.as_deref().and_then(first_node).filter(|_| self.by != "torchrun") {
            _ if all_here && self.by != "torchrun" => Ok("127.0.0.1".into()),
            Some(host) => Ok(host),
            None => wrong(format!(
                "{} is set and MASTER_ADDR is not: set it to the machine of rank 0, the same for all ranks (127.0.0.1 if all run on one)",
                self.rank
            )),
        }
    }

    fn port(&self, variables: Variables<'_>) -> Result<u16, ParallelError> {
        let given = variables("MASTER_PORT");
        let job = number(variables, "SLURM_JOB_ID").ok().flatten().filter(|_| self.by == "Slurm");
        match (given, job) {
            (Some(text), _) => match text.parse() {
                Ok(port) if port > 0 => Ok(port),
                _ => wrong(format!("MASTER_PORT={text} is no port: a number from 1 to 65535")),
            },
            (None, Some(job)) => Ok(20_000 + (job % 20_000) as u16),
            (None, None) if self.by == "torchrun" => wrong(format!(
                "{} is set and MASTER_PORT is not: set it to a free port of the machine of rank 0, the same for all ranks (torch uses {PORT})",
                self.rank
            )),
            (None, None) => Ok(PORT),
        }
    }
}

/// The first machine of a list as Slurm writes them: `a`, `a,b`, `a[03-07,9],b`.
fn first_node(list: &str) -> Option<String> {
    let end = list.find([',', '[']).unwrap_or(list.len());
    let (name, rest) = list.split_at(end);
    let Some(numbers) = rest.strip_prefix('[') else { return (!name.is_empty()).then(|| name.to_owned()) };
    let (numbers, behind) = numbers.split_once(']')?;
    let first = numbers.split([',', '-']).next()?;
    let suffix = behind.split(',').next().unwrap_or("");
    // A second pair of brackets is rare enough to be set by hand.
    (!suffix.contains('[')).then(|| format!("{name}{first}{suffix}"))
}

fn number(variables: Variables<'_>, name: &str) -> Result<Option<usize>, ParallelError> {
    match variables(name).map(|text| (text.parse(), text)) {
        None => Ok(None),
        Some((Ok(number), _)) => Ok(Some(number)),
        Some((Err(_), text)) => wrong(format!("{name}={text} is no number from 0 up")),
    }
}

fn wrong<T>(what: String) -> Result<T, ParallelError> {
    Err(ParallelError::Launch(what))
}
