#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::cli {

// As Java's "%.Nf" writes it, "NaN" and "Infinity" included.
std::string java_number(double value, int digits);

// Times as Java's SimpleDateFormat writes them, by patterns of y, M, d, H,
// h, m, s, S and a, text in quotes, and other signs.
class JavaDateFormat {
  public:
    // INVALID_REQUEST names the letter that has no meaning here.
    static Result<JavaDateFormat> parse(std::string_view pattern);
    // `ahead`: of the time zone before UTC.
    std::string format(Timestamp time, Duration ahead) const;

  private:
    struct Piece {
        char letter = 0;  // 0: text
        std::size_t width = 0;
        std::string text = {};
    };
    std::vector<Piece> pieces_;
};

}  // namespace millrace::cli
