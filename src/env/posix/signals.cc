#include "env/posix/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "env/posix/system_error.h"

namespace millrace::env::posix {

Signals::Signals(Shard& shard, const std::vector<int>& numbers) {
    sigset_t set;
    sigemptyset(&set);
    for (int number : numbers) sigaddset(&set, number);
    fd_ = Descriptor(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    require(fd_.valid(), "signalfd");
    static_cast<Loop&>(shard).watch(fd_.get(), *this);
}

void Signals::on_events(std::uint32_t) {
    signalfd_siginfo information{};
    while (::read(fd_.get(), &information, sizeof information) == sizeof information) {
        arrived_.push_back(static_cast<int>(information.ssi_signo));
    }
    if (waiting_ == nullptr || arrived_.empty()) return;
    waiting_->number = arrived_.front();
    arrived_.pop_front();
    std::exchange(waiting_, nullptr)->complete();
}

bool Signals::Next::start() {
    CHECK(signals_.waiting_ == nullptr);
    if (signals_.arrived_.empty()) {
        signals_.waiting_ = this;
        return true;
    }
    number = signals_.arrived_.front();
    signals_.arrived_.pop_front();
    return false;
}

void Signals::Next::give_up() {
    signals_.waiting_ = nullptr;
    complete();
}

}  // namespace millrace::env::posix
