//! Devices, compute types, and loading CUDA at run time.
//!
//! The binary links libtorch_cpu only. A CUDA device needs libtorch_cuda, which is loaded with dlopen before the first
//! tensor is made, so that one binary serves both.

use crate::ModelError;
use crate::cpu::bf16_units;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;
use tch::{Cuda, Device, Kind};

/// `--device`: where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device that can be used, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device by number.
    Cuda(usize),
    /// Apple's GPU.
    Mps,
}

/// Why no CUDA device can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CudaProblem {
    /// There is no NVIDIA driver, so presumably no NVIDIA GPU.
    #[error("no NVIDIA driver (libcuda.so.1) on this machine")]
    NoDriver,
    /// There is a driver, but libtorch's CUDA part does not load.
    #[error(
        "libtorch_cuda does not load ({0}); if ./mosa installed libtorch, scripts/cuda-libraries installs what is missing; \
         else install a full CUDA build with `pip install torch==2.11.0`, then build again \
         with LIBTORCH=$(python3 -c 'import torch,os;print(os.path.dirname(torch.__file__))')"
    )]
    NoLibrary(String),
    /// Everything loads, but there is no device.
    #[error("the NVIDIA driver reports no usable device (see nvidia-smi)")]
    NoDevice,
    /// libtorch has no CUDA part on this system.
    #[error("this libtorch has no CUDA")]
    NotBuilt,
}

/// `--dtype`: what to compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtypeChoice {
    /// As stored; on the CPU f16 weights compute in f32, and bf16 weights where it has no units for bf16.
    #[default]
    Auto,
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "mps" => Ok(Self::Mps),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("{text:?} is not a device: auto, cpu, cuda:N or mps")),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Mps => f.write_str("mps"),
        }
    }
}

impl fmt::Display for DtypeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for DtypeChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(format!("{text:?} is not a compute type: auto, f32 or bf16")),
        }
    }
}

impl DeviceChoice {
    /// The device to use. Loads libtorch_cuda where it is needed; must be called before the first tensor is made.
    ///
    /// # Errors
    /// [`ModelError::Device`] saying what is missing if a device was asked for by name and cannot be used.
    pub fn resolve(self) -> Result<Device, ModelError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => Ok(if cuda_status().is_ok_and(|n| n > 0) { Device::Cuda(0) } else { Device::Cpu }),
            Self::Cuda(n) => match cuda_status() {
                Ok(count) if n < count => Ok(Device::Cuda(n)),
                Ok(count) => Err(ModelError::Device(format!("--device cuda:{n}: there are only {count} CUDA devices"))),
                Err(why) => Err(ModelError::Device(format!("--device cuda:{n} cannot be used: {why}"))),
            },
            Self::Mps if tch::utils::has_mps() => Ok(Device::Mps),
            Self::Mps => {
                Err(ModelError::Device("--device mps cannot be used: this libtorch has no Metal support".into()))
            }
        }
    }
}

impl DtypeChoice {
    /// The type to compute in, given how the weights are stored and where they go.
    pub fn resolve(self, stored: Kind, device: Device) -> Kind {
        match (self, stored, device) {
            (Self::F32, ..) | (Self::Auto, Kind::Half, Device::Cpu) => Kind::Float,
            (Self::Auto, Kind::BFloat16, Device::Cpu) if bf16_units().is_none() => Kind::Float,
            (Self::Bf16, ..) => Kind::BFloat16,
            (Self::Auto, stored, _) => stored,
        }
    }
}

/// How many CUDA devices can be used, or why none can. The answer is found once.
///
/// # Errors
/// [`CudaProblem`], which says what is missing and the command that fixes it.
pub fn cuda_status() -> Result<usize, CudaProblem> {
    static STATUS: OnceLock<Result<usize, CudaProblem>> = OnceLock::new();
    STATUS.get_or_init(load_cuda).clone()
}

#[cfg(target_os = "linux")]
fn load_cuda() -> Result<usize, CudaProblem> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let open = |name: &std::ffi::OsStr| {
        // SAFETY: loading runs the library's initialisers. libcuda.so.1 is the NVIDIA driver and libtorch_cuda.so the
        // one that belongs to the libtorch this binary already runs on; both are made to be loaded this way.
        #[allow(unsafe_code)]
        unsafe {
            Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL)
        }
    };
    let driver = open("libcuda.so.1".as_ref()).map_err(|_| CudaProblem::NoDriver)?;
    let path = libtorch_folder().map_or_else(|| "libtorch_cuda.so".into(), |d| d.join("lib/libtorch_cuda.so"));
    let library = open(path.as_os_str()).map_err(|e| CudaProblem::NoLibrary(e.to_string()))?;
    // Both stay loaded for the rest of the process.
    std::mem::forget((driver, library));
    if !tch::utils::has_cuda() {
        return Err(CudaProblem::NotBuilt);
    }
    match Cuda::device_count() {
        n if n > 0 => Ok(n as usize),
        _ => Err(CudaProblem::NoDevice),
    }
}

#[cfg(not(target_os = "linux"))]
fn load_cuda() -> Result<usize, CudaProblem> {
    match Cuda::device_count() {
        n if n > 0 => Ok(n as usize),
        _ => Err(CudaProblem::NotBuilt),
    }
}

/// Every kind of device this machine offers: the CPU, and the first CUDA device where one can be used.
pub fn devices() -> Vec<Device> {
    let cuda = cuda_status().is_ok_and(|count| count > 0).then_some(Device::Cuda(0));
    std::iter::once(Device::Cpu).chain(cuda).collect()
}

/// Waits until `device` has done all it was given: its work is handed over, and a clock read before it is done runs short.
pub fn synchronise(device: Device) {
    if let Device::Cuda(number) = device {
        Cuda::synchronize(number as i64);
    }
}

/// Settles by environment variables what tch has no call for. Takes back what makes libtorch multiply f32 matrices in TF32,
/// which has bf16's rounding with another name (some container images set it for all programs). And prefers flash attention
/// to cuDNN's, which plans anew for every length of the keys: behind a growing cache that took most of a pass of SDAR's shape
/// (BENCHMARKS.md). Whoever sets the variable themselves keeps it.
///
/// # Safety
/// Changes the environment: only while the process has one thread, and before the first tensor is made.
#[allow(unsafe_code)]
pub unsafe fn settle_environment() {
    const WITHOUT_CUDNN: &str = "TORCH_CUDNN_SDPA_DEPRIORITIZED";
    // SAFETY: the caller's.
    unsafe {
        std::env::remove_var("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE");
        if std::env::var_os(WITHOUT_CUDNN).is_none() {
            std::env::set_var(WITHOUT_CUDNN, "1");
        }
    }
}

/// The folder of the libtorch this process runs on (it holds lib/libtorch_cpu.so); `None` where the system does not tell.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|l| l.ends_with("/libtorch_cpu.so"))?;
    PathBuf::from(&line[line.find('/')?..]).parent()?.parent().map(PathBuf::from)
}

/// Keeps freed memory in the process instead of handing it back to the system after every operation: activations of
/// the same sizes come and go at every step, and mapping them anew costs as much as computing them. Every thread uses the
/// main arena: those of other threads map and unmap in pieces of 64 MB whatever they are told, and the model's thread is one.
/// glibc only.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the C allocator and is called before other threads exist.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
        libc::mallopt(libc::M_TOP_PAD, 16 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Total less free bytes of a CUDA device, from the runtime library that libtorch has loaded: tch has no binding for it.
#[cfg(target_os = "linux")]
fn cuda_memory(device: usize) -> Option<u64> {
    use libloading::os::unix::{Library, Symbol};
    use std::ffi::c_int;
    let runtime = Library::this();
    let (mut before, mut free, mut total) = (0, 0usize, 0usize);
    // SAFETY: the signatures are those of the CUDA runtime's documentation; 0 is success. The current device of the thread
    // is put back.
    #[allow(unsafe_code)]
    unsafe {
        let current: Symbol<unsafe extern "C" fn(*mut c_int) -> c_int> = runtime.get(b"cudaGetDevice\0").ok()?;
        let choose: Symbol<unsafe extern "C" fn(c_int) -> c_int> = runtime.get(b"cudaSetDevice\0").ok()?;
        let ask: Symbol<unsafe extern "C" fn(*mut usize, *mut usize) -> c_int> =
            runtime.get(b"cudaMemGetInfo\0").ok()?;
        if current(&mut before) != 0 || choose(c_int::try_from(device).ok()?) != 0 {
            return None;
        }
        let told = ask(&mut free, &mut total) == 0;
        choose(before);
        told.then(|| total.saturating_sub(free) as u64)
    }
}

#[cfg(not(target_os = "linux"))]
fn cuda_memory(_device: usize) -> Option<u64> {
    None
}

/// What the control groups of this process (version 2) leave it: the limit of each, less what is in use and cannot be
/// dropped. `None` where there is no limit.
fn left_of_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = PathBuf::from(format!("/sys/fs/cgroup{own}"));
    let left = |folder: &std::path::Path| -> Option<u64> {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let most: u64 = read("memory.max")?.trim().parse().ok()?;
        let used: u64 = read("memory.current")?.trim().parse().ok()?;
        let files = read("memory.stat").unwrap_or_default();
        let files =
            files.lines().filter_map(|line| line.strip_prefix("inactive_file ").or(line.strip_prefix("active_file ")));
        let files: u64 = files.filter_map(|bytes| bytes.trim().parse::<u64>().ok()).sum();
        Some(most.saturating_sub(used.saturating_sub(files)))
    };
    folder.ancestors().take_while(|folder| folder.starts_with("/sys/fs/cgroup")).filter_map(left).min()
}

/// Memory of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Largest resident size so far, in bytes; `None` where the system does not tell.
    pub peak_resident: Option<u64>,
}

impl Memory {
    /// Reads it now.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        Self { peak_resident: peak.map(|kb| kb * 1024) }
    }

    /// Bytes in use on a CUDA device, by all programs: libtorch keeps what it once had, so this is the most so far.
    /// `None` of other devices, and where the CUDA runtime does not tell.
    pub fn of_device(device: Device) -> Option<u64> {
        match device {
            Device::Cuda(number) => cuda_memory(number),
            _ => None,
        }
    }

    /// Bytes this machine has in all; `None` where the system does not tell.
    pub fn total() -> Option<u64> {
        let info = std::fs::read_to_string("/proc/meminfo").ok()?;
        let kb = info.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        kb.map(|kb: u64| kb.saturating_mul(1024))
    }

    /// Bytes that can still be had without taking them from other programs: what the system says, and what a control group
    /// leaves; `None` where nobody tells.
    pub fn available() -> Option<u64> {
        let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kb =
            info.lines().find_map(|l| l.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        let of_system = kb.map(|kb: u64| kb.saturating_mul(1024));
        [of_system, left_of_group()].into_iter().flatten().min()
    }

    /// Refuses what cannot fit: an allocation that large may be granted and end the process when it is used.
    ///
    /// # Errors
    /// [`ModelError::Memory`] naming it.
    pub fn check(what: &str, bytes: u64) -> Result<(), ModelError> {
        match Self::total() {
            Some(total) if bytes > total => Err(ModelError::memory(what, bytes)),
            _ => Ok(()),
        }
    }
}
