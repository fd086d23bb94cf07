//! `vision completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use vision_terminal::exit::Outcome;
use vision_terminal::output;

/// Prints the script for a shell.
pub(crate) fn run(shell: Shell) -> Outcome {
    output::write(&script(shell))
}

fn script(shell: Shell) -> String {
    // Into memory first: the generator panics where its reader goes away.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vision", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_the_commands() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let script = script(shell);
            for word in ["testnet", "transfer", "--producer-key"] {
                let word = if shell == Shell::Fish { word.trim_start_matches("--") } else { word };
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
