//! GPUs that talk to each other: NCCL, loaded at run time, beside Gloo for everything that is no sum.
//!
//! c10d's own wrapper needs the headers of CUDA and NCCL to compile against and would tie the program to libtorch_cuda. What it
//! is wanted for, five functions of NCCL's C interface, is asked of the library itself, which libtorch_cuda has loaded.
//! All work goes to the default stream, as libtorch's does. This was written from NCCL's documentation and has not been run on
//! several GPUs; where it is not asked for, [`Gloo`] carries the sums of GPUs through main memory.

use crate::sum::{self, Transport};
use crate::{Addends, Exchange, Gloo, ParallelError};
use tch::{Device, Tensor};

/// Ranks with a GPU each.
#[derive(Debug)]
pub struct Nccl {
    gloo: Gloo,
    device: Device,
    #[cfg(target_os = "linux")]
    clique: linux::Clique,
}

impl Nccl {
    /// Connects the GPUs of ranks that Gloo has connected; every rank has its own.
    ///
    /// # Errors
    /// [`ParallelError::Nccl`] if the library is not there or refuses, for example two ranks on one GPU.
    #[cfg(target_os = "linux")]
    pub fn join(gloo: Gloo, device: usize) -> Result<Self, ParallelError> {
        let clique = linux::Clique::join(&gloo, device)?;
        Ok(Self { gloo, device: Device::Cuda(device), clique })
    }

    /// There is no NCCL on this system.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn join(_gloo: Gloo, _device: usize) -> Result<Self, ParallelError> {
        Err(ParallelError::Nccl("exists on Linux only; leave --exchange at gloo".into()))
    }
}

impl Exchange for Nccl {
    fn rank(&self) -> usize {
        self.gloo.rank()
    }

    fn size(&self) -> usize {
        self.gloo.size()
    }

    fn name(&self) -> &'static str {
        "nccl"
    }

    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, ParallelError> {
        self.gloo.gather(own)
    }

    fn broadcast(&self, from: usize, own: Vec<u8>) -> Result<Vec<u8>, ParallelError> {
        self.gloo.broadcast(from, own)
    }

    fn share(&self, from: usize, tensors: &[Tensor]) -> Result<(), ParallelError> {
        self.gloo.share(from, tensors)
    }

    fn sum(&self, like: &[&Tensor], own: Addends) -> Result<Vec<Tensor>, ParallelError> {
        sum::sum(self, like, own)
    }

    fn finish(&self) -> Result<(), ParallelError> {
        self.gloo.finish()
    }

    fn leave(&self, why: &str, code: u8) -> bool {
        self.gloo.leave(why, code)
    }
}

impl Transport for Nccl {
    fn device(&self) -> Device {
        self.device
    }

    #[cfg(target_os = "linux")]
    fn all_to_all(&self, from: (&Tensor, &[usize]), to: (&Tensor, &[usize])) -> Result<(), ParallelError> {
        self.clique.all_to_all(from, to)?;
        self.clique.wait(&self.gloo)
    }

    #[cfg(target_os = "linux")]
    fn all_gather(&self, from: &Tensor, to: &Tensor) -> Result<(), ParallelError> {
        self.clique.all_gather(from, to)?;
        self.clique.wait(&self.gloo)
    }

    #[cfg(not(target_os = "linux"))]
    fn all_to_all(&self, from: (&Tensor, &[usize]), to: (&Tensor, &[usize])) -> Result<(), ParallelError> {
        self.gloo.all_to_all(from, to)
    }

    #[cfg(not(target_os = "linux"))]
    fn all_gather(&self, from: &Tensor, to: &Tensor) -> Result<(), ParallelError> {
        self.gloo.all_gather(from, to)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::{Exchange, Gloo, ParallelError};
    use libloading::os::unix::{Library, Symbol};
    use std::ffi::{CStr, c_char, c_int, c_void};
    use std::ptr::null_mut;
    use std::thread::sleep;
    use std::time::{Duration, Instant};
    use tch::Tensor;

    /// ncclFloat32.
    const F32: c_int = 7;
    /// cudaErrorNotReady.
    const NOT_READY: c_int = 600;
    const LOOK: Duration = Duration::from_micros(50);

    /// ncclUniqueId.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct UniqueId([u8; 128]);

    /// A communicator and the functions that take it.
    pub(super) struct Clique {
        communicator: *mut c_void,
        size: usize,
        nccl: Functions,
    }

    type Send = unsafe extern "C" fn(*const c_void, usize, c_int, c_int, *mut c_void, *mut c_void) -> c_int;
    type Receive = unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, *mut c_void, *mut c_void) -> c_int;
    type Gather = unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, *mut c_void, *mut c_void) -> c_int;

    struct Functions {
        unique: Symbol<unsafe extern "C" fn(*mut UniqueId) -> c_int>,
        join: Symbol<unsafe extern "C" fn(*mut *mut c_void, c_int, UniqueId, c_int) -> c_int>,
        begin: Symbol<unsafe extern "C" fn() -> c_int>,
        end: Symbol<unsafe extern "C" fn() -> c_int>,
        send: Symbol<Send>,
        receive: Symbol<Receive>,
        gather: Symbol<Gather>,
        abort: Symbol<unsafe extern "C" fn(*mut c_void) -> c_int>,
        failed: Symbol<unsafe extern "C" fn(*mut c_void, *mut c_int) -> c_int>,
        words: Symbol<unsafe extern "C" fn(c_int) -> *const c_char>,
        choose: Symbol<unsafe extern "C" fn(c_int) -> c_int>,
        query: Symbol<unsafe extern "C" fn(*mut c_void) -> c_int>,
        /// Keeps the functions where they are.
        _library: Library,
    }

    impl Functions {
        fn load() -> Result<Self, String> {
            // SAFETY: the library that libtorch_cuda itself needs, and the signatures of NCCL's and CUDA's documentation.
            #[allow(unsafe_code)]
            unsafe {
                let nccl = Library::new("libnccl.so.2").map_err(|error| error.to_string())?;
                let here = Library::this();
                macro_rules! get {
                    ($library:expr, $name:literal) => {
                        $library.get($name).map_err(|error| error.to_string())?
                    };
                }
                Ok(Self {
                    unique: get!(nccl, b"ncclGetUniqueId\0"),
                    join: get!(nccl, b"ncclCommInitRank\0"),
                    begin: get!(nccl, b"ncclGroupStart\0"),
                    end: get!(nccl, b"ncclGroupEnd\0"),
                    send: get!(nccl, b"ncclSend\0"),
                    receive: get!(nccl, b"ncclRecv\0"),
                    gather: get!(nccl, b"ncclAllGather\0"),
                    abort: get!(nccl, b"ncclCommAbort\0"),
                    failed: get!(nccl, b"ncclCommGetAsyncError\0"),
                    words: get!(nccl, b"ncclGetErrorString\0"),
                    choose: get!(here, b"cudaSetDevice\0"),
                    query: get!(here, b"cudaStreamQuery\0"),
                    _library: nccl,
                })
            }
        }

        fn check(&self, code: c_int) -> Result<(), ParallelError> {
            if code == 0 {
                return Ok(());
            }
            // SAFETY: NCCL's texts are constants.
            #[allow(unsafe_code)]
            let text = unsafe { CStr::from_ptr((self.words)(code)) };
            Err(ParallelError::Nccl(text.to_string_lossy().into_owned()))
        }
    }

    impl Clique {
        pub(super) fn join(gloo: &Gloo, device: usize) -> Result<Self, ParallelError> {
            let nccl = Functions::load().map_err(|what| ParallelError::Nccl(format!("cannot be loaded: {what}")))?;
            let mut id = UniqueId([0; 128]);
            let mut communicator = null_mut();
            // SAFETY: the pointers live for the calls; the id that rank 0 made goes to all others.
            #[allow(unsafe_code)]
            unsafe {
                if (nccl.choose)(device as c_int) != 0 {
                    return Err(ParallelError::Nccl(format!("the CUDA device {device} cannot be used")));
                }
                if gloo.rank() == 0 {
                    nccl.check((nccl.unique)(&mut id))?;
                }
                let told = gloo.broadcast(0, id.0.to_vec())?;
                id.0 = told.try_into().map_err(|_| ParallelError::Garbled("the id of NCCL"))?;
                let (size, rank) = (gloo.size() as c_int, gloo.rank() as c_int);
                nccl.check((nccl.join)(&mut communicator, size, id, rank))?;
            }
            Ok(Self { communicator, size: gloo.size(), nccl })
        }

        pub(super) fn all_to_all(
            &self,
            (from, sent): (&Tensor, &[usize]),
            (to, received): (&Tensor, &[usize]),
        ) -> Result<(), ParallelError> {
            let (mut out, mut into) = (from.data_ptr().cast::<f32>(), to.data_ptr().cast::<f32>());
            // SAFETY: flat f32 tensors on this GPU that hold as many numbers as the counts say; they live until the
            // stream has been waited for. The null stream is the one that libtorch uses.
            #[allow(unsafe_code)]
            unsafe {
                self.nccl.check((self.nccl.begin)())?;
                for rank in 0..self.size {
                    let (n, m, peer) = (sent[rank], received[rank], rank as c_int);
                    if n > 0 {
                        let code = (self.nccl.send)(out.cast(), n, F32, peer, self.communicator, null_mut());
                        self.nccl.check(code)?;
                    }
                    if m > 0 {
                        let code = (self.nccl.receive)(into.cast(), m, F32, peer, self.communicator, null_mut());
                        self.nccl.check(code)?;
                    }
                    (out, into) = (out.add(n), into.add(m));
                }
                self.nccl.check((self.nccl.end)())
            }
        }

        pub(super) fn all_gather(&self, from: &Tensor, to: &Tensor) -> Result<(), ParallelError> {
            let (from, n, to) = (from.data_ptr(), from.numel(), to.data_ptr());
            // SAFETY: as above; `to` has room for `from` of every rank.
            #[allow(unsafe_code)]
            unsafe {
                self.nccl.check((self.nccl.gather)(from, to, n, F32, self.communicator, null_mut()))
            }
        }

        /// Waits for what was handed over: a rank that is gone leaves the stream unfinished for ever.
        pub(super) fn wait(&self, gloo: &Gloo) -> Result<(), ParallelError> {
            let began = Instant::now();
            loop {
                let mut failed = 0;
                // SAFETY: the null stream, and a communicator that lives.
                #[allow(unsafe_code)]
                let state = unsafe {
                    (self.nccl.failed)(self.communicator, &mut failed);
                    (self.nccl.query)(null_mut())
                };
                let cause = match state {
                    0 if failed == 0 => return Ok(()),
                    NOT_READY if failed == 0 && began.elapsed() < gloo.timeout() => {
                        sleep(LOOK);
                        continue;
                    }
                    NOT_READY if failed == 0 => "NCCL waited in vain".to_owned(),
                    _ => format!("NCCL failed ({failed}, CUDA {state})"),
                };
                // SAFETY: the communicator is not used after this.
                #[allow(unsafe_code)]
                unsafe {
                    (self.nccl.abort)(self.communicator);
                }
                return Err(gloo.lost(cause));
            }
        }
    }

    impl std::fmt::Debug for Clique {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Clique").field("size", &self.size).finish_non_exhaustive()
        }
    }
}
