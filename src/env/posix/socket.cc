#include "env/posix/socket.h"

#include <algorithm>
#include <cerrno>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>

#include "env/posix/file.h"
#include "env/posix/kernel_tls.h"
#include "env/posix/system_error.h"
#include "env/posix/workers.h"

namespace millrace::env::posix {
namespace {

constexpr std::size_t pieces_a_call = 64;
// A read with room for this much, and a write of this much, moves many bytes, as the loop sees it.
constexpr std::uint64_t bulk = 32 << 10;
// One system call of theirs moves no more.
constexpr std::uint64_t most_received = 1 << 20;
constexpr std::uint64_t most_sent = 512 << 10;
// What is probed for warmth, or read in by a helper, at once.
constexpr std::uint64_t warm_step = most_sent;

std::uint64_t size_of(const Chain::Piece& piece) {
    const auto* range = std::get_if<FileRange>(&piece);
    return range != nullptr ? range->size : std::get<Slice>(piece).size();
}

}  // namespace

// Reads a part of a file on a helper thread, for the pages to be in memory when sendfile wants
// them. Outlives the socket if it must. It comes behind the loop where they share a processor: a
// system call of 0.5 ms that fills pages is not interrupted, and many would follow each other.
class Socket::WarmUp final : public Job {
  public:
    WarmUp(Socket& socket, const FileRange& range, std::uint64_t from, std::uint64_t until)
        : Job(Kind::lasting),
          socket(&socket),
          file_(range.file),
          offset_(range.offset + from),
          size_(until - from),
          until_(until) {}

    void work() override { result_ = static_cast<File&>(*file_).bring_in(offset_, size_); }
    void receive(Shard&) override {
        std::unique_ptr<WarmUp> self(this);
        if (socket != nullptr) socket->warmed(until_, std::move(result_));
    }
    Socket* socket;

  private:
    std::shared_ptr<env::File> file_;
    std::uint64_t offset_;
    std::uint64_t size_;
    std::uint64_t until_;
    Result<> result_;
};

Result<Descriptor> open_socket(int family) {
    Descriptor fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return network_failure("opening a socket", errno);
    return fd;
}

void set_options(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

Socket::Socket(Loop& loop, Descriptor fd, const SocketAddress& peer)
    : loop_(loop), fd_(std::move(fd)), peer_(peer.to_address()) {}

Socket::~Socket() { close(); }

const Address& Socket::local() const {
    if (local_.host.empty() && fd_.valid()) {
        SocketAddress address;
        if (getsockname(fd_.get(), address.get(), &address.size) == 0) {
            local_ = address.to_address();
        }
    }
    return local_;
}

void Socket::watch() {
    if (std::exchange(watched_, true)) return;
    loop_.watch(fd_.get(), *this);
}

void Socket::on_events(std::uint32_t events) {
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
    if ((events & EPOLLIN) != 0 || hung_up_) readable_ = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
    if (read_ != nullptr && may_read(*read_)) read_now();
    if (writable_) write_on();
}

void Socket::read_now() {
    if (try_read(*read_)) std::exchange(read_, nullptr)->complete();
}

bool Socket::may_read(const ReadOperation& operation) {
    if (operation.room.size() < bulk || !readable_) return true;
    if (read_later_.linked()) return false;
    if (loop_.received().open()) return true;
    loop_.received().wait(read_later_);
    return false;
}

bool Socket::may_write(const WriteOperation& operation) {
    std::uint64_t size = size_of(operation.chain.pieces()[operation.piece]);
    if (size < bulk || loop_.sent().open()) return true;
    loop_.sent().wait(write_later_);
    return false;
}

void Socket::write_on() {
    if (write_ == nullptr || warming_ != nullptr || write_later_.linked()) return;
    write_now();
}

void Socket::write_now() {
    if (advance(*write_, true)) std::exchange(write_, nullptr)->complete();
}

bool Socket::begin(ReadOperation& operation) {
    CHECK(read_ == nullptr && operation.room.size() > 0);
    if (may_read(operation) && try_read(operation)) {
        if (loop_.may_go_on_inline()) return false;
        operation.complete();
        return true;
    }
    read_ = &operation;
    watch();
    return true;
}

bool Socket::try_read(ReadOperation& operation) {
    if (!fd_.valid()) {
        operation.result = fail(ErrorCode::network_exception,
                                fmt::format("the connection to {} is closed", peer_.to_string()));
        return true;
    }
    if (!readable_) return false;
    MutableBytes into = operation.room.take();
    std::size_t room = std::min<std::uint64_t>(into.size(), most_received);
    while (readable_) {
        ssize_t count = ::recv(fd_.get(), into.data(), room, 0);
        if (count >= 0) {
            // Less than asked for was all there was: epoll tells of more, which saves the call
            // that would say so.
            bool drained = static_cast<std::size_t>(count) < room;
            if (drained && watched_ && !hung_up_) readable_ = false;
            if (room >= bulk) loop_.received().take(static_cast<std::size_t>(count));
            operation.result = static_cast<std::size_t>(count);
            return true;
        }
        if (errno == EAGAIN) {
            readable_ = false;
        } else if (errno != EINTR) {
            operation.result =
                network_failure(fmt::format("reading from {}", peer_.to_string()), errno);
            break;
        }
    }
    operation.room.give_back();
    return readable_;  // what has failed has its result
}

bool Socket::begin(WriteOperation& operation) {
    CHECK(write_ == nullptr);
    warm_until_ = 0;
    write_ = &operation;
    if (!advance(operation)) return true;
    write_ = nullptr;
    if (loop_.may_go_on_inline()) return false;
    operation.complete();
    return true;
}

bool Socket::advance(WriteOperation& operation, bool is_its_turn) {
    if (!fd_.valid()) {
        operation.result = fail(ErrorCode::network_exception,
                                fmt::format("the connection to {} is closed", peer_.to_string()));
        return true;
    }
    const Chain::Pieces& pieces = operation.chain.pieces();
    while (operation.piece < pieces.size()) {
        if (!writable_) {
            watch();
            return false;
        }
        if (!std::exchange(is_its_turn, false) && !may_write(operation)) return false;
        const auto* range = std::get_if<FileRange>(&pieces[operation.piece]);
        if (range != nullptr && !is_warm(operation, *range)) return false;
        ssize_t sent = range != nullptr ? send_range(operation, *range) : send_slices(operation);
        if (sent == 0) {
            operation.result =
                fail(ErrorCode::kafka_storage_error,
                     fmt::format("a file ended before byte {} that was to be sent from it to {}",
                                 range->offset + range->size, peer_.to_string()));
            return true;
        }
        if (sent > 0) {
            account(operation, static_cast<std::uint64_t>(sent));
            loop_.sent().take(static_cast<std::uint64_t>(sent));
        } else if (sent == -EAGAIN) {
            writable_ = false;
        } else if (sent == -EIO && range != nullptr) {
            // The device has failed, not the peer: whoever owns the file has to know.
            operation.result =
                storage_failure(fmt::format("sending a file to {}", peer_.to_string()), EIO);
            return true;
        } else if (sent != -EINTR) {
            operation.result = network_failure(fmt::format("writing to {}", peer_.to_string()),
                                               static_cast<int>(-sent));
            return true;
        }
    }
    return true;
}

ssize_t Socket::send_slices(const WriteOperation& operation) {
    const Chain::Pieces& pieces = operation.chain.pieces();
    iovec vector[pieces_a_call];
    msghdr message{};
    message.msg_iov = vector;
    std::size_t skip = operation.offset;
    std::size_t room = most_sent;
    std::size_t next = operation.piece;
    for (; next < pieces.size() && message.msg_iovlen < pieces_a_call && room > 0; ++next) {
        const auto* slice = std::get_if<Slice>(&pieces[next]);
        if (slice == nullptr) break;
        std::size_t size = std::min(slice->size() - skip, room);
        vector[message.msg_iovlen++] = {const_cast<std::uint8_t*>(slice->data()) + skip, size};
        room -= size;
        skip = 0;
    }
    // What follows at once shall share packets with the end of this.
    int flags = MSG_NOSIGNAL | (next < pieces.size() ? MSG_MORE : 0);
    ssize_t sent = operation.record == TlsRecord::data
                       ? ::sendmsg(fd_.get(), &message, flags)
                       : send_record(fd_.get(), message, operation.record, flags);
    return sent < 0 ? -errno : sent;
}

ssize_t Socket::send_range(const WriteOperation& operation, const FileRange& range) {
    auto* file = static_cast<File*>(range.file.get());
    auto offset = static_cast<off_t>(range.offset + operation.offset);
    ssize_t sent = ::sendfile(fd_.get(), file->fd(), &offset, warm_until_ - operation.offset);
    return sent < 0 ? -errno : sent;
}

void Socket::account(WriteOperation& operation, std::uint64_t sent) {
    const Chain::Pieces& pieces = operation.chain.pieces();
    operation.offset += sent;
    while (operation.piece < pieces.size()) {
        std::uint64_t size = size_of(pieces[operation.piece]);
        if (operation.offset < size) return;
        operation.offset -= size;
        ++operation.piece;
        warm_until_ = 0;
    }
}

bool Socket::is_warm(const WriteOperation& operation, const FileRange& range) {
    std::uint64_t at = operation.offset;
    if (at < warm_until_) return true;
    std::uint64_t until = std::min(range.size, at + warm_step);
    if (static_cast<File*>(range.file.get())->seems_cached(range.offset + at, until - at)) {
        warm_until_ = until;
        return true;
    }
    warming_ = new WarmUp(*this, range, at, until);
    loop_.workers().give(loop_, *warming_);
    return false;
}

void Socket::warmed(std::uint64_t until, Result<> read) {
    warming_ = nullptr;
    if (!read) {
        write_->result = std::move(read);
        std::exchange(write_, nullptr)->complete();
        return;
    }
    warm_until_ = until;
    write_on();
}

void Socket::stop_writing() {
    write_later_.unlink();
    write_ = nullptr;
    if (warming_ == nullptr) return;
    warming_->socket = nullptr;
    warming_ = nullptr;
}

void Socket::give_up(ReadOperation& operation) {
    read_later_.unlink();
    read_ = nullptr;
    operation.complete();
}

void Socket::give_up(WriteOperation& operation) {
    stop_writing();
    operation.complete();
}

bool Socket::encrypt_writes(const TlsKeys& keys) {
    CHECK(write_ == nullptr);
    return fd_.valid() && encrypt_sent(fd_.get(), keys);
}

void Socket::shutdown_write() {
    if (!fd_.valid()) return;
    ::shutdown(fd_.get(), SHUT_WR);
    // A write that still waits for room learns now that there will be none.
    writable_ = true;
    write_on();
}

void Socket::close() {
    if (!fd_.valid()) return;
    (void)local();  // for messages about a connection that has gone
    fd_.reset();
    read_later_.unlink();
    ReadOperation* read = std::exchange(read_, nullptr);
    WriteOperation* write = write_;
    stop_writing();
    if (read != nullptr) {
        try_read(*read);
        read->complete();
    }
    if (write != nullptr) {
        advance(*write);
        write->complete();
    }
}

}  // namespace millrace::env::posix
