#pragma once

#include <cstdint>
#include <sys/socket.h>
#include <sys/types.h>

#include "env/network.h"

namespace millrace::env::posix {

// TLS of Linux, for what a TCP socket sends (Documentation/networking/tls.rst): its module `tls`,
// loaded beforehand unless the process may load modules itself.
//
// True: what is sent from now on becomes records by these keys. False: the socket is as it was. A
// kernel without TLS is asked once in a process's life; the log says what came of it.
bool encrypt_sent(int fd, const TlsKeys& keys);

// Sends as sendmsg does, as records of a kind other than data; the message has no control data.
// Bytes sent, or -1 with errno.
ssize_t send_record(int fd, msghdr& message, TlsRecord kind, int flags);

}  // namespace millrace::env::posix
