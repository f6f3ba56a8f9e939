//! What a differentiable pass over narrow weights leaves for its way back.
//!
//! Autograd keeps what a product was made of, which would be every weight widened to f32. So while a tape records, its graph
//! is cut at each such product: the product's input and its result are leaves, and the way back walks from cut to cut,
//! autograd in between, dx = dy W (tile by tile, no weight is kept) across. The inputs are handed on in reverse order,
//! so that everything that used a tensor has been walked before it.

use crate::ModelError;
use crate::widened::Narrowed;
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use tch::{TchError, Tensor};

thread_local! {
    /// What the pass of this thread records, if it does.
    static RECORDING: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

/// A cut.
#[derive(Debug)]
enum Cut {
    /// Activations that products were given, and the leaf that they and everything beside them were really given.
    Input { x: Tensor, leaf: Tensor, gradient: Option<Tensor> },
    /// The result of a product as a leaf, the number of its input, and its weights.
    Product { y: Tensor, input: usize, values: Tensor, scale: Option<Tensor> },
}

/// The cuts of a pass, in order.
#[derive(Debug, Default)]
pub(crate) struct Tape(Vec<Cut>);

/// An input that was cut: its leaf, and its number on the tape.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub tensor: Tensor,
    number: usize,
}

impl Tape {
    /// What `pass` makes, and the way back through it.
    pub(crate) fn record<T>(pass: impl FnOnce() -> Result<T, ModelError>) -> Result<(T, Self), ModelError> {
        /// Ends the recording however the pass ends.
        struct Off;
        impl Drop for Off {
            fn drop(&mut self) {
                RECORDING.set(None);
            }
        }
        RECORDING.set(Some(Self::default()));
        let off = Off;
        let made = pass()?;
        let tape = RECORDING.take().unwrap_or_default();
        drop(off);
        Ok((made, tape))
    }

    /// Cuts the graph at `x`; `None` where nothing is recorded.
    pub(crate) fn cut(x: &Tensor) -> Result<Option<Leaf>, ModelError> {
        RECORDING.with_borrow_mut(|tape| {
            let Some(Self(cuts)) = tape else { return Ok(None) };
            let leaf = x.f_detach()?.f_set_requires_grad(true)?;
            let tensor = leaf.shallow_clone();
            cuts.push(Cut::Input { x: x.shallow_clone(), leaf, gradient: None });
            Ok(Some(Leaf { tensor, number: cuts.len() - 1 }))
        })
    }

    /// Puts down that `y`, a new tensor, is the product of a cut input with these weights; it is a leaf from here on.
    pub(crate) fn product(y: Tensor, of: &Leaf, weight: Narrowed<'_>) -> Result<Tensor, ModelError> {
        let y = y.f_set_requires_grad(true)?;
        RECORDING.with_borrow_mut(|tape| {
            if let Some(Self(cuts)) = tape {
                let (values, scale) = (weight.values.shallow_clone(), weight.scale.map(Tensor::shallow_clone));
                cuts.push(Cut::Product { y: y.shallow_clone(), input: of.number, values, scale });
            }
        });
        Ok(y)
    }

    /// Adds to the gradients of all leaves what `upstream` = d loss / d `made` makes of them.
    pub(crate) fn walk_back(mut self, made: &Tensor, upstream: &Tensor) -> Result<(), ModelError> {
        hand_back(made, upstream)?;
        while let Some(cut) = self.0.pop() {
            match cut {
                Cut::Product { y, input, values, scale } => {
                    let dy = y.f_grad()?;
                    let Some(Cut::Input { gradient, .. }) = self.0.get_mut(input).filter(|_| dy.defined()) else {
                        continue;
                    };
                    let dx = Narrowed { values: &values, scale: scale.as_ref() }.product_back(&dy)?;
                    *gradient = Some(sum(gradient.take(), dx)?);
                }
                Cut::Input { x, leaf, gradient } => {
                    let own = leaf.f_grad()?;
                    let whole = if own.defined() { Some(sum(gradient, own)?) } else { gradient };
                    if let Some(whole) = whole {
                        hand_back(&x, &whole)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn sum(one: Option<Tensor>, other: Tensor) -> Result<Tensor, ModelError> {
    Ok(match one {
        Some(one) => one.f_add(&other)?,
        None => other,
    })
}

/// Runs autograd from `y` with `upstream` down to the leaves. What it needs again is kept: two ways may meet above a cut.
fn hand_back(y: &Tensor, upstream: &Tensor) -> Result<(), ModelError> {
    if !y.requires_grad() {
        return Ok(());
    }
    let mut root = y.f_mul(upstream)?.f_sum(y.kind())?;
    // SAFETY: functions of tch's C interface, for which it has no wrapper that keeps the graph. The message is allocated by
    // that interface and freed here, once.
    #[allow(unsafe_code)]
    unsafe extern "C" {
        fn at_backward(tensor: *mut c_void, keep_graph: c_int, create_graph: c_int);
        fn get_and_reset_last_err() -> *mut c_char;
    }
    // SAFETY: `root` is a tensor that lives through the call, and the message is a C string or null.
    #[allow(unsafe_code)]
    unsafe {
        at_backward(root.as_mut_ptr().cast(), 1, 0);
        let said = get_and_reset_last_err();
        if !said.is_null() {
            let text = CStr::from_ptr(said).to_string_lossy().into_owned();
            libc::free(said.cast());
            return Err(TchError::Torch(text).into());
        }
    }
    Ok(())
}
