//! The texts about the command line: help, manual pages and completions.

mod program;

use program::{program, run};

const COMMANDS: [&str; 7] = ["forward-auth", "check", "explain", "dev-issuer", "mint", "completions", "man"];

#[test]
fn unknown_shells_and_commands_are_wrong_usage() {
    for arguments in [["completions", "cmd.exe"], ["man", "sign-in"]] {
        let run = run(program(&arguments), b"");
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn a_misspelt_command_is_named_with_the_right_one() {
    let run = run(program(&["explian"]), b"");
    assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("'explian'") && run.stderr.contains("'explain'"), "{}", run.stderr);
}

#[test]
fn the_version_is_that_of_the_program() {
    let run = run(program(&["--version"]), b"");
    assert_eq!(run.status, Some(0));
    assert!(run.stdout.starts_with("tower-bearer 0."), "{}", run.stdout);
}

#[test]
fn every_shell_completes_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = run(program(&["completions", shell]), b"");
        assert_eq!(run.status, Some(0), "{}", run.stderr);
        for command in COMMANDS {
            assert!(!run.stdout.contains("tower-bearer-cli"), "{shell} completes another program");
            assert!(run.stdout.contains(command), "{shell} does not complete {command}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_flags() {
    let program_page = run(program(&["man"]), b"");
    assert!(program_page.stdout.contains(".TH"), "{}", program_page.stdout);
    for command in COMMANDS {
        let page = run(program(&["man", command]), b"");
        assert_eq!(page.status, Some(0), "{}", page.stderr);
        assert!(page.stdout.contains(".TH"), "{command}: {}", page.stdout);
    }
    let explain = run(program(&["man", "explain"]), b"");
    assert!(explain.stdout.contains("\\-\\-issuer"), "{}", explain.stdout);
    assert!(!explain.stdout.contains("bearer\\-cli"), "the name of the crate, not of the program");
}

#[test]
fn the_help_of_each_command_has_a_first_sentence_for_new_users() {
    let overview = run(program(&["--help"]), b"");
    for command in COMMANDS {
        assert!(overview.stdout.contains(command), "{}", overview.stdout);
        let help = run(program(&[command, "--help"]), b"");
        assert_eq!(help.status, Some(0));
        assert!(help.stdout.contains("Usage: tower-bearer"), "{}", help.stdout);
    }
}
