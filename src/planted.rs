//! Passes with other shader texts, for tests that plant errors.

use crate::plan::{Backward, Candidate, Forward, Kernel, Wanted};
use crate::{Context, Error, Problem};

impl Context {
    /// The forward pass of a problem with another shader text, which has the bindings of the linked one.
    ///
    /// # Errors
    /// As [`Self::forward`].
    ///
    /// # Safety
    /// The text may be compiled without checks: its indices must stay in range, and its loops must end.
    #[doc(hidden)]
    #[expect(unsafe_code, reason = "only the caller knows the text")]
    pub unsafe fn forward_with_text(
        &self,
        problem: &Problem,
        text: &str,
    ) -> Result<Forward, Error> {
        // SAFETY: what the caller promises.
        unsafe { self.with_text(self.forward(problem)?, text) }
    }

    /// A forward pass of this context with another shader text, which has the bindings of the linked one.
    ///
    /// # Errors
    /// A device that is out of memory or lost.
    ///
    /// # Safety
    /// As [`Self::forward_with_text`].
    #[doc(hidden)]
    #[expect(unsafe_code, reason = "only the caller knows the text")]
    pub unsafe fn with_text(&self, forward: Forward, text: &str) -> Result<Forward, Error> {
        let kernel = Kernel::Forward(*forward.variant());
        Ok(Forward {
            pipeline: self.compile(kernel, text)?,
            ..forward
        })
    }

    /// The backward pass, by a candidate or as rules choose, with every kernel's text changed; the bindings stay as they are.
    ///
    /// # Errors
    /// As [`Self::backward_by`].
    ///
    /// # Safety
    /// The texts may be compiled without checks: their indices must stay in range, and their loops must end.
    #[doc(hidden)]
    #[expect(unsafe_code, reason = "only the caller knows the texts")]
    pub unsafe fn backward_with_texts(
        &self,
        problem: &Problem,
        candidate: Option<Candidate>,
        edit: impl Fn(String) -> String,
    ) -> Result<Backward, Error> {
        let pipeline = |kernel: Kernel| {
            let text = kernel.text();
            let edited = edit(text.clone());
            if edited == text {
                self.pipeline(kernel)
            } else {
                self.compile(kernel, &edited)
            }
        };
        match candidate {
            Some(candidate) => self.plan_backward_by(problem, candidate, pipeline),
            None => self.plan_backward(problem, Wanted::all(problem), pipeline),
        }
    }
}
