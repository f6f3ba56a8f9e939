use mosa_align::EventWriter;
use std::fs;

/// The payloads of a record file: 8 bytes length, 4 checksum, payload, 4 checksum.
fn payloads(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        all.push(&rest[12..12 + length]);
        rest = &rest[12 + length + 4..];
    }
    all
}

#[test]
fn scalars_are_written_as_tensorboard_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(dir.path()).unwrap();
    writer.scalars(300, [("reward", 1.5), ("kl", -2.0)].into_iter()).unwrap();
    let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
    assert!(file.file_name().to_string_lossy().starts_with("events.out.tfevents."));
    let bytes = fs::read(file.path()).unwrap();
    let events = payloads(&bytes);
    assert_eq!(events.len(), 2);
    assert!(events[0].ends_with(b"\x1a\x0dbrain.Event:2"));
    // After the 9 bytes of the time: step 300 as a varint, then the summary with two values.
    let mut expected = vec![0x10, 0xac, 0x02, 0x2a, 26, 0x0a, 13, 0x0a, 6];
    expected.extend(b"reward\x15");
    expected.extend(1.5f32.to_le_bytes());
    expected.extend([0x0a, 9, 0x0a, 2]);
    expected.extend(b"kl\x15");
    expected.extend((-2.0f32).to_le_bytes());
    assert_eq!(events[1][9..], expected[..]);
}
