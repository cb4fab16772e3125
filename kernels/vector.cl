// Numbers in lanes. LANES rays are worked on side by side: 16 on a CPU, where a vector type fills the SIMD registers
// twice over and so hides their latency (W = 16 is 20 % faster than W = 8 with AVX2), and 1 on a GPU, whose hardware
// makes lanes of work items. `real` and `flag` are a float and a truth value in every lane.

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#if LANES == 1
typedef float real;
typedef int flag;
#define PICK(otherwise, chosen, where) ((where) ? (chosen) : (otherwise))
#define ANY(where) (where)
#define ALL(where) (where)
#define LOAD(array) ((array)[0])
#define STORE(value, array) ((array)[0] = (value))
#define BITS(value) as_int(value)
#define FROM_BITS(value) as_float(value)
#define TO_REAL(value) convert_float(value)
#else
typedef JOIN(float, LANES) real;
typedef JOIN(int, LANES) flag;
#define PICK(otherwise, chosen, where) select(otherwise, chosen, where)
#define ANY(where) any(where)
#define ALL(where) all(where)
#define LOAD(array) JOIN(vload, LANES)(0, array)
#define STORE(value, array) JOIN(vstore, LANES)(value, 0, array)
#define BITS(value) JOIN(as_int, LANES)(value)
#define FROM_BITS(value) JOIN(as_float, LANES)(value)
#define TO_REAL(value) JOIN(convert_float, LANES)(value)
#endif

typedef struct {
    real x, y, z;
} Point;

inline real dot_product(Point a, Point b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

inline Point along(Point start, Point direction, real distance) {
    Point p;
    p.x = start.x + distance * direction.x;
    p.y = start.y + distance * direction.y;
    p.z = start.z + distance * direction.z;
    return p;
}

inline Point scaled(Point a, real factor) {
    Point p;
    p.x = a.x * factor;
    p.y = a.y * factor;
    p.z = a.z * factor;
    return p;
}

// The natural logarithm of positive normal numbers, to 1e-6. Our own, so that every engine has the same:
// a = m 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 artanh(s), s = (m - 1) / (m + 1).
inline real logarithm(real a) {
    flag bits = BITS(a);
    flag exponent = (bits - 0x3f3504f3) >> 23;
    real m = FROM_BITS(bits - (exponent << 23)) - 1.0f;
    real s = m / (m + 2.0f), q = s * s;
    return TO_REAL(exponent) * 0.69314718f + s * (2.0f + q * (0.66666667f + q * (0.4f + q * 0.28571429f)));
}

// Two complex numbers of one modulus to the power n: first and second are (2 Re, Im), R is their modulus.
// Squaring is (2 Re)' = (2 Re)^2 - 2 R^2, Im' = 2 Re Im: two operations each, where the textbook takes four.
// Near the axes its error is n^2 units in the last place, the textbook's n: pictures do not show it (equal SSIM).
// `highest` is the second highest bit of n; n is the same in all lanes, so its bits are plain branches.
inline void power_of_pair(int n, int highest, real *first, real *first_im, real *second, real *second_im, real *R) {
    real a = *first, b = *first_im, p = *second, q = *second_im, r = *R;
    real a0 = 0.5f * a, b0 = b, p0 = 0.5f * p, q0 = q, r0 = r;
    for (int bit = highest; bit; bit >>= 1) {
        r = r * r;
        b = a * b;
        q = p * q;
        a = a * a - (r + r);
        p = p * p - (r + r);
        if (n & bit) {
            real t = a * a0 - (b + b) * b0;
            b = 0.5f * a * b0 + b * a0;
            a = t;
            t = p * p0 - (q + q) * q0;
            q = 0.5f * p * q0 + q * p0;
            p = t;
            r = r * r0;
        }
    }
    *first = a;
    *first_im = b;
    *second = p;
    *second_im = q;
    *R = r;
}
