#include "env/posix/network.h"

#include <algorithm>
#include <cerrno>
#include <fmt/core.h>

#include "env/posix/bound_addresses.h"
#include "env/posix/connect.h"
#include "env/posix/log.h"
#include "env/posix/socket.h"
#include "env/posix/system_error.h"

namespace millrace::env::posix {
namespace {

// Without descriptors or memory for another connection, the next try comes after this long.
constexpr Duration exhausted_pause = Duration::milliseconds(100);
constexpr Duration complaint_interval = Duration::seconds(10);

bool means_exhausted(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// What a peer that vanished while it waited to be accepted leaves behind.
bool concerns_one_peer(int error) {
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == ENETDOWN ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
           error == EOPNOTSUPP || error == ENETUNREACH;
}

class Acceptor final : public Listener, private EventTarget, private Timer {
  public:
    Acceptor(Loop& loop, Descriptor fd, Address local)
        : loop_(loop), fd_(std::move(fd)), local_(std::move(local)) {}
    ~Acceptor() override { close(); }

    const Address& local() const override { return local_; }
    void close() override {
        if (!fd_.valid()) return;
        fd_.reset();
        loop_.bound_addresses().closed(local_);
        stop();
        if (waiting_ != nullptr) finish();
    }

  private:
    bool begin(AcceptOperation& operation) override {
        CHECK(waiting_ == nullptr);
        if (try_accept(operation)) {
            if (loop_.may_go_on_inline()) return false;
            operation.complete();
            return true;
        }
        waiting_ = &operation;
        if (!std::exchange(watched_, true)) loop_.watch(fd_.get(), *this);
        return true;
    }
    void give_up(AcceptOperation& operation) override {
        waiting_ = nullptr;
        operation.complete();
    }
    void on_events(std::uint32_t) override {
        ready_ = true;
        if (waiting_ != nullptr && !Timer::running()) finish();
    }
    void fire() override {
        if (waiting_ != nullptr) finish();
    }
    void finish() {
        if (try_accept(*waiting_)) std::exchange(waiting_, nullptr)->complete();
    }

    // True when the operation has its result.
    bool try_accept(AcceptOperation& operation) {
        if (!fd_.valid()) {
            operation.result =
                fail(ErrorCode::network_exception,
                     fmt::format("the listener on {} is closed", local_.to_string()));
            return true;
        }
        while (ready_ && !Timer::running()) {
            SocketAddress peer;
            Descriptor fd(
                ::accept4(fd_.get(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (fd.valid()) {
                set_options(fd.get());
                operation.result = std::make_unique<Socket>(loop_, std::move(fd), peer);
                return true;
            }
            if (errno == EAGAIN) {
                ready_ = false;
            } else if (means_exhausted(errno)) {
                pause(errno);
            } else if (!concerns_one_peer(errno)) {
                operation.result =
                    network_failure(fmt::format("accepting on {}", local_.to_string()), errno);
                return true;
            }
        }
        return false;
    }
    void pause(int error) {
        Time now = loop_.now();
        if (now >= next_complaint_) {
            next_complaint_ = now + complaint_interval;
            LOG_WARN("{}; new connections wait: raise the limit of open files or close some",
                     network_failure(fmt::format("accepting on {}", local_.to_string()), error)
                         .error()
                         .message);
        }
        start(loop_, now + exhausted_pause);
    }

    Loop& loop_;
    Descriptor fd_;
    Address local_;
    bool watched_ = false;
    bool ready_ = true;
    AcceptOperation* waiting_ = nullptr;
    Time next_complaint_;
};

class TcpNetwork final : public Network {
  public:
    explicit TcpNetwork(Loop& loop) : loop_(loop) {}

    std::string host_name() override { return posix::host_name(); }

    Result<std::unique_ptr<Listener>> listen(const Address& address,
                                             const SocketBuffers& buffers) override {
        if (address.host.empty()) {
            auto both = listen_on(any_address(AF_INET6, address.port), address, buffers);
            if (both) return both;
            return listen_on(any_address(AF_INET, address.port), address, buffers);
        }
        ASSIGN_OR_RETURN(std::vector<SocketAddress> found, resolve(address));
        // Java's preference, whatever the system's: a name as localhost is IPv4 first.
        auto v4 = std::ranges::find(found, AF_INET, &SocketAddress::family);
        return listen_on(v4 != found.end() ? *v4 : found.front(), address, buffers);
    }

  private:
    Result<std::unique_ptr<Listener>> listen_on(SocketAddress to, const Address& named,
                                                const SocketBuffers& buffers) {
        bool both_families = named.host.empty() && to.family() == AF_INET6;
        ASSIGN_OR_RETURN(Descriptor fd, loop_.bound_addresses().listen(to, both_families, buffers));
        return std::make_unique<Acceptor>(loop_, std::move(fd), to.to_address());
    }
    bool begin(ConnectOperation& operation) override { return begin_connect(loop_, operation); }
    void give_up(ConnectOperation& operation) override {
        operation.attempt.reset();
        operation.complete();
    }

    Loop& loop_;
};

}  // namespace

std::unique_ptr<Network> make_network(Loop& loop) { return std::make_unique<TcpNetwork>(loop); }

}  // namespace millrace::env::posix
