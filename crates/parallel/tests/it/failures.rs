use crate::{launch, ranks};
use mosa_parallel::{Exchange, Gloo, Meeting, ParallelError};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(600);

fn at(port: u16) -> Meeting {
    Meeting::Tcp { host: "127.0.0.1".into(), port, agent: false }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_port_that_is_taken_is_said_with_its_number() {
    let taken = TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Gloo::join(&launch(0, 2, at(port)), SHORT).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ParallelError::Port { .. }), "{text}");
    assert!(text.contains(&port.to_string()) && text.contains("taken") && text.contains("MASTER_PORT"), "{text}");
}

#[test]
fn ranks_that_do_not_come_are_named_within_the_timeout() {
    let (port, began) = (free_port(), Instant::now());
    let two = [0, 2].map(|rank| std::thread::spawn(move || Gloo::join(&launch(rank, 4, at(port)), SHORT).unwrap_err()));
    let [first, third] = two.map(|thread| thread.join().unwrap());
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(first.to_string().contains("ranks 1, 3 of 4 did not come"), "{first}");
    assert!(third.to_string().contains("ranks 1, 3 of 4 did not come") && third.is_told_elsewhere(), "{third}");
}

#[test]
fn a_rank_that_gives_up_before_rank_0_does_ends_it_as_well() {
    let port = free_port();
    let first = std::thread::spawn(move || Gloo::join(&launch(0, 3, at(port)), 100 * SHORT).map(drop).unwrap_err());
    let second = Gloo::join(&launch(1, 3, at(port)), SHORT).map(drop).unwrap_err();
    let first = first.join().unwrap();
    assert!(second.is_told_elsewhere() && !first.is_told_elsewhere(), "{first} / {second}");
    assert!(first.to_string().contains("rank 2 of 3 did not come"), "{first}");
}

#[test]
fn without_rank_0_the_others_say_where_they_looked_for_it() {
    let error = Gloo::join(&launch(1, 2, at(free_port())), SHORT).unwrap_err().to_string();
    assert!(error.contains("rank 0") && error.contains("127.0.0.1"), "{error}");
}

#[test]
fn a_second_one_with_the_same_rank_is_refused() {
    let port = free_port();
    let all = [0, 1, 1].map(|rank| {
        std::thread::spawn(move || Gloo::join(&launch(rank, 3, at(port)), 4 * SHORT).map(drop).unwrap_err())
    });
    let [_, first, second] = all.map(|thread| thread.join().unwrap());
    let refused = [&first, &second].into_iter().filter(|end| matches!(end, ParallelError::Twice { rank: 1, .. }));
    assert_eq!(refused.count(), 1, "{first} / {second}");
    let text = [first, second].map(|end| end.to_string()).join("\n");
    assert!(text.contains("rank 1 is there already (") && text.contains("rank 2 of 3 did not come"), "{text}");
}

#[test]
fn a_rank_that_leaves_tells_the_others_why() {
    let ends = ranks(3, |gloo| match gloo.rank() {
        1 => {
            assert!(gloo.leave("the data file is missing", 2));
            None
        }
        _ => Some(gloo.gather(b"x").unwrap_err()),
    });
    // The connections of rank 1 close with it.
    for end in [&ends[0], &ends[2]] {
        let Some(ParallelError::Elsewhere { text, code: 2 }) = end else { panic!("{end:?}") };
        assert!(text.contains("rank 1 (") && text.contains("the data file is missing"), "{text}");
    }
}

#[test]
fn what_all_ranks_fail_with_is_said_once() {
    let said = ranks(3, |gloo| {
        gloo.barrier().unwrap();
        gloo.leave("no such file", 2)
    });
    assert_eq!(said.iter().filter(|said| **said).count(), 1, "{said:?}");
}
