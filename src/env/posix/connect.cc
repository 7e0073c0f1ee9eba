#include "env/posix/connect.h"

#include <cerrno>
#include <fmt/core.h>
#include <list>
#include <sys/epoll.h>

#include "env/posix/socket.h"
#include "env/posix/system_error.h"
#include "env/posix/workers.h"

namespace millrace::env::posix {
namespace {

// How long an address is waited for before the next is tried beside it (RFC 8305).
constexpr Duration head_start = Duration::milliseconds(250);

class Attempt;

// Whether a socket has connected to itself: the kernel picked for it the very port at which nobody
// listens. It would keep the port from the process that is to listen there.
bool is_own_end(int fd, const SocketAddress& to) {
    SocketAddress own;
    if (getsockname(fd, own.get(), &own.size) != 0) return false;
    return own.to_address() == to.to_address();
}

// Finds the addresses of a name on a helper thread. Outlives the attempt if it must.
class Resolve final : public Job {
  public:
    Resolve(Attempt& attempt, Address to)
        : Job(Kind::brief), attempt(&attempt), to_(std::move(to)) {}
    void work() override { found_ = resolve(to_); }
    void receive(Shard&) override;
    Attempt* attempt;

  private:
    Address to_;
    Result<std::vector<SocketAddress>> found_;
};

// Tries the addresses of a host in turn, the next when one fails or is slow; the first connection
// made is taken.
class Attempt final : public ConnectAttempt, private Timer {
  public:
    Attempt(Loop& loop, ConnectOperation& operation) : loop_(loop), operation_(operation) {}
    ~Attempt() override {
        if (resolving_ != nullptr) resolving_->attempt = nullptr;
    }

    // True when it goes on; false when the operation has its result.
    bool begin() {
        if (std::optional<SocketAddress> numeric = numeric_address(operation_.to)) {
            addresses_.push_back(*numeric);
            return !try_next();
        }
        resolving_ = new Resolve(*this, operation_.to);
        loop_.workers().give(loop_, *resolving_);
        return true;
    }
    void resolved(Result<std::vector<SocketAddress>> found) {
        resolving_ = nullptr;
        if (!found) {
            operation_.result = fail(std::move(found).error());
            operation_.complete();
            return;
        }
        addresses_ = *std::move(found);
        if (try_next()) operation_.complete();
    }

  private:
    struct Trial final : EventTarget {
        Trial(Attempt& a, Descriptor f, const SocketAddress& t)
            : attempt(a), fd(std::move(f)), to(t) {}
        void on_events(std::uint32_t events) override {
            bool answered = (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
            if (fd.valid() && answered) attempt.answered(*this);
        }
        Attempt& attempt;
        Descriptor fd;
        SocketAddress to;
    };

    // Starts with the next address. True when the operation has its result.
    bool try_next() {
        stop();
        while (next_ < addresses_.size()) {
            const SocketAddress& to = addresses_[next_++];
            Result<Descriptor> fd = open_socket(to.family());
            if (!fd) {
                note(errno);
                continue;
            }
            set_options(fd->get());
            bool connected = ::connect(fd->get(), to.get(), to.size) == 0;
            if (!connected && errno != EINPROGRESS) {
                note(errno);
                continue;
            }
            if (connected && is_own_end(fd->get(), to)) {
                note(ECONNREFUSED);
                continue;
            }
            if (connected) return succeed(*std::move(fd), to);
            Trial& trial = trials_.emplace_back(*this, *std::move(fd), to);
            ++waiting_;
            loop_.watch(trial.fd.get(), trial);
            if (next_ < addresses_.size()) start(loop_, loop_.now() + head_start);
            return false;
        }
        if (waiting_ > 0) return false;
        operation_.result = network_failure(
            fmt::format("connecting to {}", operation_.to.to_string()), last_error_);
        return true;
    }
    // That a connection is refused is told where every address refuses it.
    void note(int error) {
        if (error != ECONNREFUSED) last_error_ = error;
    }
    bool succeed(Descriptor fd, const SocketAddress& to) {
        operation_.result = std::make_unique<Socket>(loop_, std::move(fd), to);
        return true;
    }
    void answered(Trial& trial) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(trial.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
        if (error == 0 && is_own_end(trial.fd.get(), trial.to)) error = ECONNREFUSED;
        if (error == 0) {
            loop_.unwatch(trial.fd.get());
            succeed(std::move(trial.fd), trial.to);
            finish();
            return;
        }
        note(error);
        trial.fd.reset();
        --waiting_;
        if (try_next()) finish();
    }
    void fire() override {
        if (try_next()) finish();
    }
    void finish() {
        stop();
        for (Trial& each : trials_) each.fd.reset();
        operation_.complete();
    }

    Loop& loop_;
    ConnectOperation& operation_;
    Resolve* resolving_ = nullptr;
    std::vector<SocketAddress> addresses_;
    std::size_t next_ = 0;
    std::list<Trial> trials_;
    int waiting_ = 0;
    int last_error_ = ECONNREFUSED;
};

void Resolve::receive(Shard&) {
    std::unique_ptr<Resolve> self(this);
    if (attempt != nullptr) attempt->resolved(std::move(found_));
}

}  // namespace

bool begin_connect(Loop& loop, ConnectOperation& operation) {
    auto attempt = std::make_unique<Attempt>(loop, operation);
    Attempt& started = *attempt;
    operation.attempt = std::move(attempt);
    return started.begin();
}

}  // namespace millrace::env::posix
