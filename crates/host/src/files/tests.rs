use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o7777
}

#[test]
fn an_atomic_write_replaces_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("state");
    fs::write(home.path().join("state.tmp"), "left by a crash").expect("written");
    for content in [&b"first"[..], b"", b"second, longer"] {
        write_atomic(&path, content).expect("written");
        assert_eq!(read(&path, 100).expect("read"), content);
    }
    let names: Vec<_> =
        fs::read_dir(home.path()).expect("listed").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(names, ["state"]);
    write_secret_atomic(&path, b"secret").expect("written");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_failed_atomic_write_keeps_the_old_content() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("state");
    write_atomic(&path, b"old").expect("written");
    fs::create_dir(home.path().join("state.tmp")).expect("in the way");
    let error = write_atomic(&path, b"new").expect_err("a directory is in the way");
    assert!(error.to_string().contains("state.tmp"), "{error}");
    assert_eq!(read(&path, 100).expect("read"), b"old");
}

#[test]
fn secrets_are_private_and_never_overwritten() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("the key");
    write_secret_new(&path, b"one").expect("new");
    assert_eq!(mode(&path), 0o600);
    let error = write_secret_new(&path, b"two").expect_err("exists");
    assert!(error.is_already_there(), "{error}");
    assert_eq!(**read_secret(&path, 100).expect("private"), *b"one");
    for open in [0o644, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).expect("changed");
        let error = read_secret(&path, 100).expect_err("open to others");
        let text = error.to_string();
        assert!(text.contains(&format!("{open:04o}")) && text.contains("chmod 600 '/"), "{text}");
        assert!(!text.contains("one"), "secrets are not shown");
    }
    make_private(&path).expect("changed");
    assert_eq!(**read_secret(&path, 100).expect("private again"), *b"one");
}

#[test]
fn only_a_secret_of_root_may_have_a_group_that_reads_it() {
    let cases = [
        ("own", 1000, 0o600, true),
        ("own, read only", 1000, 0o400, true),
        ("own, group", 1000, 0o640, false),
        ("root's, group", 0, 0o640, true),
        ("root's, group, read only", 0, 0o440, true),
        ("root's, group may write", 0, 0o660, false),
        ("root's, world", 0, 0o644, false),
    ];
    for (desc, owner, mode, expect) in cases {
        assert_eq!(is_private(owner, mode), expect, "{desc}");
    }
}

#[test]
fn missing_and_oversized_files_are_told_apart() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("file");
    assert!(read(&path, 10).expect_err("missing").is_not_found());
    fs::write(&path, "12345").expect("written");
    assert_eq!(read(&path, 5).expect("fits"), b"12345");
    assert!(matches!(read(&path, 4), Err(FileError::TooLarge { bytes: 5, limit: 4, .. })));
}

#[test]
fn a_folder_is_locked_once() {
    let home = tempfile::tempdir().expect("a directory");
    let held = lock_folder(home.path()).expect("free");
    assert!(matches!(lock_folder(home.path()), Err(FileError::InUse { .. })));
    drop(held);
    lock_folder(home.path()).expect("free again");
}
