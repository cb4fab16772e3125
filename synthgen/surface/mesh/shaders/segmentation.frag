#version 330 core
// The number of the triangle, counted from 1, as three bytes: red is the lowest. 0 stays for the background.
out vec4 frag_color;

void main()
{
    int number = gl_PrimitiveID + 1;
    frag_color = vec4(number & 255, (number >> 8) & 255, (number >> 16) & 255, 255.0) / 255.0;
}
