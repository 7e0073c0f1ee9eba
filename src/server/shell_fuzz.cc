// Whatever a person types, the shell answers and goes on: words, patterns and paths of any content.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/shell.h"

namespace {

using namespace millrace;

class Counted final : public server::TextSink {
  public:
    void out(std::string_view text) override { size += text.size(); }
    void err(std::string_view text) override { size += text.size(); }
    std::size_t size = 0;
};

metadata::TreeNode root() {
    auto folder = metadata::folder([] {
        return std::vector<metadata::TreeEntry>{{"a", metadata::leaf("1")},
                                                {"b.c", metadata::leaf("2")}};
    });
    return metadata::folder([folder] {
        return std::vector<metadata::TreeEntry>{{"image", folder}, {"local", folder}};
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Counted counted;
    server::Shell shell(root(), server::Shell::Mode::conversation, counted);
    std::string_view text(reinterpret_cast<const char*>(data), size);
    while (!text.empty()) {
        std::size_t end = std::min(text.find('\n'), text.size());
        shell.run_line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return 0;
}
