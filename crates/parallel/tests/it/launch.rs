use mosa_parallel::{Launch, Meeting, ParallelError};

fn read(variables: &[(&str, &str)]) -> Result<Option<Launch>, ParallelError> {
    Launch::of(&|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
}

fn at(host: &str, port: u16, agent: bool) -> Meeting {
    Meeting::Tcp { host: host.into(), port, agent }
}

#[test]
fn no_launcher_and_one_rank_are_one_process() {
    assert_eq!(read(&[]).unwrap(), None);
    assert_eq!(read(&[("RANK", "0"), ("WORLD_SIZE", "1")]).unwrap(), None);
    assert_eq!(read(&[("SLURM_NTASKS", "8")]).unwrap(), None, "salloc");
}

#[test]
fn torchrun_is_understood_with_its_agent_and_its_restarts() {
    let all = [
        ("RANK", "3"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_RANK", "1"),
        ("LOCAL_WORLD_SIZE", "2"),
        ("MASTER_ADDR", "node7"),
        ("MASTER_PORT", "29400"),
        ("TORCHELASTIC_USE_AGENT_STORE", "True"),
        ("TORCHELASTIC_RESTART_COUNT", "2"),
        // Below srun.
        ("SLURM_PROCID", "0"),
        ("SLURM_NTASKS", "2"),
    ];
    let launch = read(&all).unwrap().unwrap();
    assert_eq!((launch.rank, launch.size, launch.local, launch.local_size), (3, 4, Some(1), Some(2)));
    assert_eq!((launch.meeting, launch.attempt.as_str()), (at("node7", 29400, true), "2"));
}

#[test]
fn slurm_meets_on_its_first_machine_at_a_port_of_the_job() {
    let of = |nodes: &str| {
        let all = [
            ("SLURM_PROCID", "5"),
            ("SLURM_NTASKS", "8"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_JOB_ID", "1234567"),
            ("SLURM_JOB_NODELIST", nodes),
        ];
        read(&all).unwrap().unwrap()
    };
    for (nodes, first) in [("a", "a"), ("a,b", "a"), ("gpu[03-07,9],x", "gpu03"), ("n[2,4].example,m", "n2.example")] {
        assert_eq!(of(nodes).meeting, at(first, 34_567, false), "{nodes}");
    }
    assert_eq!((of("a").rank, of("a").size, of("a").local), (5, 8, Some(1)));
}

#[test]
fn mpi_goes_before_the_slurm_it_runs_in() {
    let all = [
        ("OMPI_COMM_WORLD_RANK", "1"),
        ("OMPI_COMM_WORLD_SIZE", "2"),
        ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
        ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
        ("SLURM_PROCID", "0"),
        ("SLURM_NTASKS", "2"),
    ];
    let launch = read(&all).unwrap().unwrap();
    assert_eq!((launch.rank, launch.size, launch.meeting), (1, 2, at("127.0.0.1", 29_500, false)));
    let pmi = [("PMI_RANK", "1"), ("PMI_SIZE", "4"), ("MASTER_ADDR", "h"), ("MASTER_PORT", "77")];
    assert_eq!(read(&pmi).unwrap().unwrap().meeting, at("h", 77, false));
}

#[test]
fn half_an_environment_is_an_error_that_names_what_is_missing() {
    let ranked = [("RANK", "0"), ("WORLD_SIZE", "2")];
    let with = |more: &[(&'static str, &'static str)]| [&ranked[..], more].concat();
    for (variables, expected) in [
        (vec![("RANK", "0")], "WORLD_SIZE is not"),
        (vec![("WORLD_SIZE", "2")], "RANK is not"),
        (vec![("PMI_RANK", "0")], "PMI_SIZE is not"),
        (with(&[]), "MASTER_ADDR is not"),
        (with(&[("MASTER_ADDR", "h")]), "MASTER_PORT is not"),
        (with(&[("MASTER_ADDR", "h"), ("MASTER_PORT", "none")]), "MASTER_PORT=none is no port"),
        (vec![("RANK", "2"), ("WORLD_SIZE", "2")], "ranks are 0 to 1"),
        (vec![("RANK", "one"), ("WORLD_SIZE", "2")], "RANK=one is no number"),
        (vec![("PMI_RANK", "0"), ("PMI_SIZE", "2")], "MASTER_ADDR is not"),
    ] {
        let error = read(&variables).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{variables:?}: {error}");
    }
}
