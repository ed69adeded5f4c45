use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use chunk::{LargeBuffer, LargeOwner};
use napi::sys;

use crate::guard::guarded;

/// V8 sees that young buffers hold much memory, and frees the dead ones by a scavenge (0.3 ms), only when it allocates a buffer
/// itself. If all are foreign, they pile up until a full collection is due (6 to 14 ms, and cold memory in the meantime). So
/// after so many adopted bytes it gets a small one to allocate. What it waits for is 32 MiB.
const LOOK_EVERY: usize = 4 * 1024 * 1024;

thread_local! {
    /// Bytes adopted since it was last made to look.
    static ADOPTED: Cell<usize> = const { Cell::new(0) };
}

/// A `Uint8Array` whose memory is the buffer itself; it goes back to its pool when JavaScript has let go of it. Where the
/// runtime allows no memory of others (Electron), a copy.
///
/// # Errors
/// What Node-API says.
pub(crate) fn adopt(env: sys::napi_env, buffer: LargeBuffer) -> napi::Result<sys::napi_value> {
    let length = buffer.len();
    let (memory, _, owner) = buffer.into_raw_parts();
    let owner = Box::into_raw(owner);
    let mut array_buffer = ptr::null_mut();
    // SAFETY: `memory` is `length` bytes that nobody else touches and that live until `let_go` gets `owner` back.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            memory.as_ptr().cast(),
            length,
            Some(let_go),
            owner.cast(),
            &raw mut array_buffer,
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: Node-API did not take it, so it is still ours.
        let owner = unsafe { Box::from_raw(owner) };
        // SAFETY: the memory is alive as long as its owner, that is until the end of this function.
        let bytes = unsafe { std::slice::from_raw_parts(memory.as_ptr(), length) };
        array_buffer = copied(env, bytes)?;
        drop(owner);
    }
    let due = ADOPTED.with(|adopted| {
        let sum = adopted.get() + length;
        adopted.set(if sum < LOOK_EVERY { sum } else { 0 });
        sum >= LOOK_EVERY
    });
    if due {
        copied(env, &[0; 64])?;
    }
    let mut view = ptr::null_mut();
    // SAFETY: the array buffer was made above and is `length` bytes long.
    napi::check_status!(unsafe {
        sys::napi_create_typedarray(
            env,
            sys::TypedarrayType::uint8_array,
            length,
            array_buffer,
            0,
            &raw mut view,
        )
    })?;
    Ok(view)
}

/// Parts an array buffer from its memory, which then goes back to its pool if it is adopted; false if the runtime refuses.
pub(crate) fn take_back(env: sys::napi_env, array_buffer: sys::napi_value) -> bool {
    // SAFETY: the value is alive, and of this environment.
    let status = unsafe { sys::napi_detach_arraybuffer(env, array_buffer) };
    status == sys::Status::napi_ok
}

fn copied(env: sys::napi_env, bytes: &[u8]) -> napi::Result<sys::napi_value> {
    let mut array_buffer = ptr::null_mut();
    let mut memory = ptr::null_mut();
    // SAFETY: the out pointers are valid; the new buffer is as long as asked for.
    unsafe {
        napi::check_status!(sys::napi_create_arraybuffer(
            env,
            bytes.len(),
            &raw mut memory,
            &raw mut array_buffer
        ))?;
        ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast::<u8>(), bytes.len());
    }
    Ok(array_buffer)
}

unsafe extern "C" fn let_go(_env: sys::napi_env, _memory: *mut c_void, owner: *mut c_void) {
    // SAFETY: `owner` is the box that `adopt` gave away, and this is called once.
    let owner = unsafe { Box::from_raw(owner.cast::<LargeOwner>()) };
    let _panicked = guarded(|| drop(owner));
}
