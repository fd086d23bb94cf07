//! Compiles the protocol files of the workspace without protoc.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Packages of nothing but options of protocol files: no code comes of them.
const OPTIONS: [&str; 3] = ["google.api", "google.protobuf", "vision.api.v1"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto").canonicalize()?;
    // Not the full path: a target directory that was copied would watch the files it was copied from.
    println!("cargo::rerun-if-changed=../../proto");
    let mut files = Vec::new();
    proto_files(&root, &mut files)?;
    // The order decides nothing but the bytes of the descriptor set, which should not change by chance.
    files.sort();
    let compile = |with_comments| -> Result<_, Box<dyn Error>> {
        let mut compiler = protox::Compiler::new([&root])?;
        compiler.include_source_info(with_comments).include_imports(true);
        for file in &files {
            compiler.open_file(file)?;
        }
        Ok(compiler)
    };
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // With the options of extensions, which the types of prost have no room for.
    let compiler = compile(true)?;
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    fs::write(out.join("bare_descriptors.bin"), compile(false)?.encode_file_descriptor_set())?;
    let mut descriptors = compiler.file_descriptor_set();
    descriptors.file.retain(|file| !OPTIONS.contains(&file.package()));
    fs::write(out.join("methods.rs"), format!("&{:?}", methods(&descriptors)))?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .codec_path("crate::codec::BoundedCodec")
        .bytes(".")
        .btree_map(".")
        .include_file("generated.rs")
        .emit_rerun_if_changed(false)
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}

/// Full names of all methods, sorted.
fn methods(descriptors: &prost_types::FileDescriptorSet) -> Vec<String> {
    let services = descriptors.file.iter().flat_map(|file| {
        file.service.iter().map(|service| (format!("{}.{}", file.package(), service.name()), service))
    });
    let names = services.flat_map(|(name, service)| {
        service.method.iter().map(move |method| format!("{name}/{}", method.name())).collect::<Vec<_>>()
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

fn proto_files(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, into)?;
        } else if path.extension().is_some_and(|ext| ext == "proto") {
            into.push(path);
        }
    }
    Ok(())
}
