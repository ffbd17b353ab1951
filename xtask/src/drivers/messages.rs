//! What the validation layer says.

use std::collections::BTreeMap;

use super::accepted;

/// How a message begins that is no complaint.
const INFORMATION: &str = "Validation Information:";
/// What the layer says of every instance where synchronisation is validated: versions of 2025, and later ones.
const ACTIVE: [[&str; 2]; 2] = [
    [
        "Khronos Validation Layer Active",
        "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION",
    ],
    ["Current Validation Enabled", "\n  - Synchronization"],
];

/// The messages of a run.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Instances of Vulkan that were made under the layer.
    pub(super) instances: usize,
    /// Complaints, and how often each was made.
    pub(super) complaints: BTreeMap<String, usize>,
    /// Why complaints were accepted, and how many.
    pub(super) accepted: BTreeMap<&'static str, usize>,
}

impl Messages {
    pub(super) fn of(lines: &[String]) -> Self {
        let mut messages = Self::default();
        for message in whole(lines) {
            let says = |texts: &[&str; 2]| texts.iter().all(|text| message.contains(text));
            if ACTIVE.iter().any(says) {
                messages.instances += 1;
            } else if let Some(reason) = accepted::reason(&message) {
                *messages.accepted.entry(reason).or_default() += 1;
            } else if !message.contains(INFORMATION) {
                *messages.complaints.entry(message).or_default() += 1;
            }
        }
        messages
    }

    /// Prints them, and returns whether the run was validated and nothing was wrong.
    pub(super) fn tell(&self, name: &str) -> bool {
        let complaints: usize = self.complaints.values().sum();
        for (message, count) in &self.complaints {
            eprintln!("{count} times: {message}\n");
        }
        for (reason, count) in &self.accepted {
            eprintln!("{name}: {count} validation messages are accepted: {reason}");
        }
        if self.instances == 0 {
            eprintln!(
                "{name}: no instance of Vulkan was made under the validation layer, so nothing was validated"
            );
        } else {
            eprintln!(
                "{name}: {complaints} validation messages from {} instances of Vulkan",
                self.instances
            );
        }
        self.instances > 0 && complaints == 0
    }
}

/// Messages of several lines; each begins with what kind it is.
fn whole(lines: &[String]) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in lines.iter().map(|line| line.trim_end()) {
        let begins = [
            "Error",
            "Warning",
            "Performance Warning",
            "Information",
            "Verbose",
        ];
        let begins = begins
            .iter()
            .any(|kind| line.contains(&format!("Validation {kind}:")));
        match messages.last_mut() {
            Some(message) if !begins => {
                message.push('\n');
                message.push_str(line);
            }
            _ => messages.push(line.to_owned()),
        }
    }
    messages.iter_mut().for_each(|message| {
        message.truncate(message.trim_end().len());
    });
    messages.retain(|message| !message.is_empty());
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Messages {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Messages::of(&lines)
    }

    const ACTIVE: &str = "Validation Information: [ WARNING-CreateInstance-status-message ] | MessageID = 0x23dfd876\n\
        vkCreateInstance(): Khronos Validation Layer Active:\n    \
        Current Enables: VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT.\n\n";
    const LATER: &str = "Validation Information: [ CURRENT-VALIDATION-ENABLED ] | MessageID = 0xfd7b2292\n\
        vkCreateInstance(): Current Validation Enabled:\n  - Core Checks\n  - Synchronization\n\nObjects: 1\n\n";

    #[test]
    fn information_is_no_complaint() {
        let messages = of(&format!(
            "{ACTIVE}{LATER}Validation Information: [ cache ]\nno file\n"
        ));
        assert_eq!((messages.instances, messages.complaints.len()), (2, 0));
        assert!(messages.tell("clean"));
    }

    #[test]
    fn a_complaint_is_kept_whole_and_counted() {
        let error =
            "Validation Error: [ SYNC-HAZARD-WRITE-AFTER-WRITE ]\nvkCmdDispatch(): Hazard\n\n";
        let messages = of(&format!("{ACTIVE}\n{error}{error}"));
        let expected = [(error.trim_end().to_owned(), 2)].into();
        assert_eq!(messages.complaints, expected);
        assert!(!messages.tell("not clean"));
    }

    #[test]
    fn what_is_not_understood_is_a_complaint() {
        assert!(!of(&format!("something\n{ACTIVE}")).tell("not understood"));
    }

    #[test]
    fn nothing_validated_is_no_success() {
        assert!(!of("").tell("nothing"));
        assert!(!of(&ACTIVE.replace("SYNCHRONIZATION", "OTHER")).tell("no synchronisation"));
        assert!(!of(&LATER.replace("Synchronization", "Other")).tell("no synchronisation"));
    }
}
