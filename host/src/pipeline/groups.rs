//! `Groups`: the jobs that a lane took from its queue at once, by rule.

use std::sync::Arc;

use super::lane::Job;

/// Jobs of one rule, one generation and one source, in order.
type Group = Vec<Job>;

/// Groups in the order in which their first jobs came. Between rules no order is owed, within one it holds.
#[derive(Default)]
pub struct Groups {
    groups: Vec<Group>,
    /// By rule number: where the group stands that was opened last for the rule, counted from 1; 0 is nowhere.
    last: Vec<usize>,
    /// Emptied groups, for their room.
    spare: Vec<Group>,
}

impl Groups {
    /// Sorts a job in behind those of its rule.
    pub fn add(&mut self, job: Job) {
        let place = job.token.rule().place();
        if self.last.len() <= place {
            self.last.resize(place + 1, 0);
        }
        let last = self.last[place].checked_sub(1).and_then(|at| self.groups.get_mut(at));
        match last.filter(|group| group.first().is_some_and(|first| is_alike(first, &job))) {
            Some(group) => group.push(job),
            None => {
                let mut group = self.spare.pop().unwrap_or_default();
                group.push(job);
                self.groups.push(group);
                self.last[place] = self.groups.len();
            }
        }
    }

    /// Takes the groups out. Give their room back with `reuse`.
    pub fn take(&mut self) -> Vec<Group> {
        for group in &self.groups {
            self.last[group[0].token.rule().place()] = 0;
        }
        std::mem::take(&mut self.groups)
    }

    /// Takes emptied groups back.
    pub fn reuse(&mut self, groups: Vec<Group>) {
        self.spare.extend(groups);
    }
}

fn is_alike(one: &Job, other: &Job) -> bool {
    Arc::ptr_eq(&one.leg.rule, &other.leg.rule) && std::ptr::eq(one.token.desk(), other.token.desk())
}
