//! Stopping what waits.

use mosa_core::Interrupt;
use std::time::{Duration, Instant};

#[test]
fn a_sleep_ends_as_soon_as_a_clone_asks_to_stop() {
    let (interrupt, began) = (Interrupt::new(), Instant::now());
    let other = interrupt.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        other.ask();
    });
    assert!(!interrupt.sleep(Duration::MAX));
    assert!(interrupt.asked() && began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_sleep_that_nobody_stops_is_slept_in_full() {
    let began = Instant::now();
    assert!(Interrupt::new().sleep(Duration::from_millis(30)));
    assert!(began.elapsed() >= Duration::from_millis(30));
}

#[test]
fn work_is_waited_for_until_a_stop_is_asked_for() {
    let interrupt = Interrupt::new();
    assert_eq!(interrupt.wait_for(|| 7), Some(7));
    let other = interrupt.clone();
    let outcome = interrupt.wait_for(move || {
        other.ask();
        std::thread::sleep(Duration::from_secs(60));
    });
    assert_eq!(outcome, None);
    assert_eq!(interrupt.wait_for(|| 7), None, "asked once, it stays asked");
}

#[test]
fn a_panic_of_the_work_is_not_lost() {
    let broken = std::panic::catch_unwind(|| Interrupt::new().wait_for(|| panic!("broken")));
    assert_eq!(broken.unwrap_err().downcast_ref::<&str>(), Some(&"broken"));
}
