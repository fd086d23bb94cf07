use super::*;
use vision_terminal::exit::Exit;

const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 254:0 /home/a/vision/docker-compose.yml /clone/docker-compose.yml ro - ext4 /dev/vda rw
24 22 254:0 /home/a\\040b/my\\134vision/docker-compose.yml /other\\040clone ro - ext4 /dev/vda rw
25 22 254:0 /over /twice rw - ext4 /dev/vda rw
26 22 254:0 /seen /twice rw - ext4 /dev/vda rw
short line
";

#[test]
fn the_source_of_a_mount_is_what_the_kernel_says() {
    let cases = [
        ("a file", "/clone/docker-compose.yml", Some("/home/a/vision/docker-compose.yml")),
        ("blanks and backslashes", "/other clone", Some("/home/a b/my\\vision/docker-compose.yml")),
        ("the upper of two", "/twice", Some("/seen")),
        ("no mount", "/clone", None),
    ];
    for (desc, point, expect) in cases {
        assert_eq!(source(MOUNTS, point).as_deref(), expect, "{desc}");
    }
}

#[test]
fn what_is_no_mount_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let failure = directory(file.path()).expect_err("no mount");
    assert_eq!(failure.exit(), Exit::Usage);
    // The one mount that every process has.
    assert!(directory(Path::new("/proc")).is_ok());
}
